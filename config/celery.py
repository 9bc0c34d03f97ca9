"""The Celery app. Its settings are the CELERY_ ones in `config.settings`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("waybill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# The commands that a worker obeys. Every program that reaches Redis can send them. The health
# checks need both; neither changes anything or shows more than names. Celery's other commands
# stop workers, revoke tasks, change pools and print the settings.
REMOTE_COMMANDS = frozenset({"ping", "active_queues"})


@worker_init.connect
def refuse_remote_control(**_: object) -> None:
    """Remove all commands of remote control but REMOTE_COMMANDS, before a worker listens."""
    # This import registers the commands. Only workers need it.
    from celery.worker.control import Panel  # noqa: PLC0415 - see above

    for name in set(Panel.data) - REMOTE_COMMANDS:
        del Panel.data[name]


@beat_init.connect
def mail_by_the_clock(**_: object) -> None:
    """Let beat itself send what is due by e-mail: a task would wait behind exports.

    In a thread of its own, so that a slow mail server holds up no rescue.
    """
    # Needs the apps, which are loaded only now.
    from notifications.inbox import mail  # noqa: PLC0415 - see above
    from notifications.periodic import Clock  # noqa: PLC0415 - see above

    Clock(mail.Rounds()).start()


@beat_init.connect
def prune_by_the_clock(**_: object) -> None:
    """Let beat delete old rows of the sign-in throttle, of sessions and of results each hour.

    Each kind has a thread of its own, so that none waits for another that is slow or fails.
    """
    # Needs the apps, which are loaded only now.
    from config.signin.prune import prune as prune_sign_ins  # noqa: PLC0415 - see above
    from notifications.periodic import Clock  # noqa: PLC0415 - see above

    # Celery's own cleanup is a task of each night. It waits behind the exports that are queued,
    # and is dropped if that takes twelve hours.
    for job in (prune_sign_ins, app.backend.cleanup):
        Clock(job, seconds=3600).start()


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Leave logging as Django's settings made it.

    Celery would raise the root logger to WARNING, and the logs of exports would be empty.
    That somebody answers this signal is all it takes.
    """
