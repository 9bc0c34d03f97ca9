"""The Celery app. Its settings are the CELERY_ ones in `config.settings`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import beat_init, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("waybill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@beat_init.connect
def mail_by_the_clock(**_: object) -> None:
    """Let beat itself send what is due by e-mail: a task would wait behind exports.

    In a thread of its own, so that a slow mail server holds up no rescue.
    """
    # Needs the apps, which are loaded only now.
    from notifications import mail  # noqa: PLC0415 - see above
    from notifications.clock import Clock  # noqa: PLC0415 - see above

    Clock(mail.Rounds()).start()


@beat_init.connect
def prune_sign_ins_by_the_clock(**_: object) -> None:
    """Let beat itself delete old sign-ins, once an hour."""
    # Needs the apps, which are loaded only now.
    from config.signin.prune import prune  # noqa: PLC0415 - see above
    from notifications.clock import Clock  # noqa: PLC0415 - see above

    Clock(prune, seconds=3600).start()


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Leave logging as Django's settings made it.

    Celery would raise the root logger to WARNING, and the logs of exports would be empty.
    That somebody answers this signal is all it takes.
    """
