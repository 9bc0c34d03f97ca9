"""The Celery app. Its settings are the CELERY_ ones in `config.settings`."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging, worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# There is no `beat_schedule`. exports/schedule.py lists the periodic work, and config/schedule.py
# adds the work that only this site needs. Workers and beat import it when they start.
app = Celery("waybill", include=["config.schedule"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


# The remote-control commands that workers obey, which every program that reaches Redis can send.
# The health checks need these two. They change nothing, and show only names. Celery's other
# commands stop workers, revoke tasks, change pools and print the settings.
REMOTE_COMMANDS = frozenset({"ping", "active_queues"})


@worker_init.connect
def refuse_remote_control(**_: object) -> None:
    """Remove all remote-control commands except REMOTE_COMMANDS, before a worker listens."""
    # This import registers the commands. Only workers need it.
    from celery.worker.control import Panel  # noqa: PLC0415 - only workers need it

    for name in set(Panel.data) - REMOTE_COMMANDS:
        del Panel.data[name]


@setup_logging.connect
def keep_logging(**_: object) -> None:
    """Keep the logging of Django's settings. Connecting to this signal turns Celery's logging off.

    Celery would set the root logger to WARNING, and the logs of exports would be empty.
    """
