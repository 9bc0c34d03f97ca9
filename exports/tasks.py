"""The Celery tasks. Their only argument is an id, and `lifecycle.queue` sends them.

No other module imports this one. Celery imports it in workers and in beat, so it also starts the
schedule of beat.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import beat_init

from exports import schedule
from exports.exceptions import LostRace
from exports.lifecycle import attempts, queue
from exports.worker import helper, runner

if TYPE_CHECKING:
    from celery import Task


@shared_task(name=queue.RUN, bind=True)
def run(task: Task[Any, Any], export_id: str) -> str:
    """Work on an export. A duplicate message does nothing: see `attempts.claim`."""
    if (key := _key(export_id)) is None:
        return "This is not the id of an export."
    worker, task_id = task.request.hostname or "", task.request.id or ""
    try:
        export = attempts.claim(key, worker=worker, task_id=task_id)
    except LostRace as error:
        return str(error)
    runner.run(export)
    return str(export.status)


@shared_task(name=queue.HELP, bind=True)
def help_with(task: Task[Any, Any], export_id: str) -> None:
    """Extract parts of an export that another worker holds. It claims each: see `parts.claim`."""
    if (key := _key(export_id)) is not None:
        helper.help_with(key, worker=task.request.hostname or "")


def _key(export_id: str) -> uuid.UUID | None:
    """Return the id as a UUID; None if it is not one, because the message was forged."""
    try:
        return uuid.UUID(export_id)
    except (ValueError, TypeError, AttributeError):
        return None


@beat_init.connect
def start_schedule(**_: object) -> None:
    """Start the periodic work of `exports.schedule`. Celery sends this signal in beat only."""
    schedule.start()
