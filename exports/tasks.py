"""Celery's tasks: each takes an id and calls one function. `lifecycle.queue` has their names.

Only Celery imports this module, in workers and in beat. So it also starts beat's schedule.
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
    """Run an export. A task that is delivered twice does nothing the second time: see claim()."""
    if (key := _key(export_id)) is None:
        return "This is not the ID of an export."
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
    """Extract parts of an export that another worker holds. Each part is claimed: see parts."""
    if (key := _key(export_id)) is not None:
        helper.help_with(key, worker=task.request.hostname or "")


def _key(export_id: str) -> uuid.UUID | None:
    """Return the id as a UUID; None for anything else, which only a forged message has."""
    try:
        return uuid.UUID(export_id)
    except (ValueError, TypeError, AttributeError):
        return None


@beat_init.connect
def start_schedule(**_: object) -> None:
    """Start the periodic work of `exports.schedule`. Celery sends this signal in beat only."""
    schedule.start()
