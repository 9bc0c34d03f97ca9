"""Celery's tasks: ids in, one call. `queue` names them; nothing imports them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import beat_init

from exports.conf import conf
from exports.exceptions import LostRace
from exports.lifecycle import attempts, prune, queue, queue_positions, rescue
from exports.worker import helper, runner
from notifications.audit import prune as audit
from notifications.inbox import token_warnings
from notifications.periodic import Clock
from notifications.streams import prune as events

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
def rescue_by_the_clock(**_: object) -> None:
    """Let beat itself put right what is stuck, and tell those that wait where they are.

    As a task it would wait behind the exports that are queued, for as long as there are any.
    """
    Clock(_round).start()


def _round() -> None:
    rescue.rescue()
    queue_positions.tell_positions()


@beat_init.connect
def prune_by_the_clock(**_: object) -> None:
    """Let beat itself delete what is due, once an hour.

    Each in a thread of its own, since a storage that does not answer would hold up the others.
    """
    for job in (_prune_exports, events.prune_old, audit.prune_old):
        Clock(job, seconds=3600).start()


def _prune_exports() -> None:
    prune.prune(conf.RETENTION_DAYS)


@beat_init.connect
def warn_by_the_clock(**_: object) -> None:
    """Let beat itself warn users, once an hour, of tokens that expire soon."""
    Clock(token_warnings.warn, seconds=3600).start()
