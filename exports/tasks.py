"""Celery's tasks: ids in, one call. `queue` names them; nothing imports them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import beat_init

from exports import lifecycle, prune, queue
from exports.conf import conf
from exports.engine import helping, runner
from exports.exceptions import LostRace
from notifications import token_warnings
from notifications.audit.prune import prune_due
from notifications.clock import Clock

if TYPE_CHECKING:
    from celery import Task


@shared_task(name=queue.RUN, bind=True)
def run(task: Task[Any, Any], export_id: str) -> str:
    """Work on an export. Delivered twice, it does nothing the second time: see claim()."""
    if (key := _key(export_id)) is None:
        return "That is no id of an export."
    try:
        export = lifecycle.claim(
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
        helping.help_with(key, worker=task.request.hostname or "")


def _key(export_id: str) -> uuid.UUID | None:
    """Whoever reaches Redis can write messages, with anything in the place of an id."""
    try:
        return uuid.UUID(export_id)
    except (ValueError, TypeError, AttributeError):
        return None


@beat_init.connect
def rescue_by_the_clock(**_: object) -> None:
    """Let beat itself put right what is stuck, and tell those that wait where they are.

    As a task it would wait behind the exports that are queued, for as long as there are any.
    """
    Clock(_round).start()


def _round() -> None:
    lifecycle.rescue()
    lifecycle.tell_positions()


@beat_init.connect
def prune_by_the_clock(**_: object) -> None:
    """Let beat itself delete what is due, once an hour; a storage may take its time."""
    Clock(lambda: prune.prune(conf.RETENTION_DAYS), seconds=3600).start()
    # In a thread of its own: a storage that is away would hold it up.
    Clock(prune_due, seconds=3600).start()


@beat_init.connect
def warn_by_the_clock(**_: object) -> None:
    """Let beat itself tell users, once an hour, which of their tokens expire soon."""
    Clock(token_warnings.warn, seconds=3600).start()
