"""The Celery app. Its settings are the CELERY_ ones in `config.settings`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# There is no `beat_schedule`. Periodic work is in exports/schedule.py, and the work of this site
# only in config/schedule.py, which workers and beat import when the apps are loaded.
app = Celery("waybill", include=["config.schedule"])
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


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Keep the logging of Django's settings. A receiver of this signal turns Celery's off.

    Celery would raise the root logger to WARNING, and the logs of exports would be empty.
    """
