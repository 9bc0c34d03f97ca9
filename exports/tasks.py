"""Celery's tasks: ids in, one call. `lifecycle.queue` names them; nothing imports this module.

Celery imports it in workers and in beat, so beat also learns here when to start its schedule.
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
    """Work on an export. Delivered twice, it does nothing the second time: see claim()."""
    if (key := _key(export_id)) is None:
        return "That is no id of an export."
    try:
        export = attempts.claim(
            key,
            worker=task.request.hostname or "",
            task_id=task.request.id or "",
        )
    except LostRace as reason:
        return str(reason)
    runner.run(export)
    return str(export.status)


@shared_task(name=queue.HELP, bind=True)
def help_with(task: Task[Any, Any], export_id: str) -> None:
    """Take parts of an export that another worker holds. Each part is claimed: see parts."""
    if (key := _key(export_id)) is not None:
        helper.help_with(key, worker=task.request.hostname or "")


def _key(export_id: str) -> uuid.UUID | None:
    """Return the id as a UUID. None: the message was forged, and has something else there."""
    try:
        return uuid.UUID(export_id)
    except (ValueError, TypeError, AttributeError):
        return None


@beat_init.connect
def start_schedule(**_: object) -> None:
    """Start the periodic work of `exports.schedule`. Celery sends this signal in beat only."""
    schedule.start()
