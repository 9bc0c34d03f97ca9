"""What workers report: an attempt begins, succeeds, fails, comes to rest or is handed over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exports.audit.record import record_action
from exports.conf import conf
from exports.exceptions import (
    Fenced,
    LostRace,
    Waits,
)
from exports.i18n.message import dump
from exports.lifecycle import parts, room
from exports.lifecycle.leases import Now, until
from exports.lifecycle.transitions import come_to_rest, locked, move, requeue
from exports.models import Export, Part, TaskRun
from exports.status import HELD, Stage, Status, Wait
from notifications.audit_actions import Action
from notifications.writing import atomic

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence


def claim(export_id: uuid.UUID, *, worker: str, task_id: str = "") -> Export:
    """Take a queued export for this worker, with the next attempt and a fresh lease.

    Raises LostRace when there is nothing to do: another has it, or it is over. That is how
    a task that the broker delivers twice does nothing the second time. Raises Waits, and says so
    on its streams, when there is no room to write it.
    """
    export = Export.objects.filter(pk=export_id, status=Status.QUEUED).first()
    if export is None:
        raise LostRace(f"Export {export_id} does not wait for a worker.")
    if lacking := room.shortage_for(export):
        room.wait_for_space(export)
        raise Waits(f"Export {export_id} waits for room: {lacking}.")
    with atomic():
        move(
            export,
            Status.RUNNING,
            "export.started",
            attempt=export.attempt + 1,
            worker=worker,
            lease_expires_at=until(),
            started_at=export.started_at or Now(),
            stage=Stage.COUNTING,
            snapshot_id="",
            rate=None,
            error="",
            reason=None,
            waits_for=Wait.NOTHING,
        )
        if task_id:
            TaskRun.objects.create(export=export, task_id=task_id, attempt=export.attempt)
    return export


def succeed(export: Export, *, lines: Sequence[dict[str, Any]] = (), **file: Any) -> None:
    """The file is complete and in storage. `file`: its name, bytes, sha256."""
    expires = Now() + timedelta(days=conf.EXPIRE_DAYS)
    _finish(export, Status.SUCCEEDED, "export.succeeded", lines, None, expires_at=expires, **file)


def fail(
    export: Export, reason: str, *, lines: Sequence[dict[str, Any]] = (), **counters: int
) -> None:
    """It cannot go on. `reason` is for the person who waits: a Message, if it was foreseen."""
    why = dump(reason)
    _finish(export, Status.FAILED, "export.failed", lines, None, **why, **counters)


def stop(export: Export, reason: str, *, lines: Sequence[dict[str, Any]] = ()) -> None:
    """Fail the export because its owner has lost the right to it, as `reason` says."""
    why = dump(reason)
    _finish(export, Status.FAILED, "export.failed", lines, Action.EXPORT_STOPPED, **why)


def _finish(
    export: Export,
    new: Status,
    event: str,
    lines: Sequence[dict[str, Any]],
    action: Action | None,
    **fields: Any,
) -> None:
    fields |= {"finished_at": Now(), "stage": Stage.NONE, "lease_expires_at": None}
    try:
        with atomic():
            move(export, new, event, lines=lines, **fields)
            if action is not None:
                record_action(action, export, details={"reason": export.error})
    except LostRace:
        # Asked to stop in the last moment, or fenced: finish_stopping() tells which.
        finish_stopping(export, lines=lines)


def finish_stopping(export: Export, *, lines: Sequence[dict[str, Any]] = ()) -> None:
    """Come to rest as was asked. Raises Fenced when this worker's attempt is over."""
    attempt = export.attempt
    with atomic():
        parts.release(Part.objects.filter(export=export.pk))
        counters = parts.totals(export.pk)
        with locked(export):
            if export.attempt != attempt or export.status not in HELD:
                raise Fenced(f"Attempt {attempt} of export {export.pk} is over.")
            # In good order: the attempt does not count against the export.
            come_to_rest(export, lines, handovers=export.handovers + 1, **counters)


def hand_over(
    export: Export,
    claimed: Iterable[Part] = (),
    *,
    lines: Sequence[dict[str, Any]] = (),
    waits_for: Wait = Wait.NOTHING,
) -> None:
    """Put the export back for another worker, finished parts kept, and those `claimed` opened.

    Who helps gives its part back, too, at its next report. Without `waits_for`, another worker gets
    a message at once; else `rescue` sends one when there is room.
    """
    try:
        with atomic():
            parts.give_back(claimed)
            fields = {**parts.totals(export.pk), "waits_for": waits_for}
            requeue(export, "export.queued", lines, handovers=export.handovers + 1, **fields)
    except LostRace:
        # Asked to stop in the last moment, or fenced: finish_stopping() tells which.
        finish_stopping(export, lines=lines)
