"""What workers report about an attempt: it begins, succeeds, fails, stops or is handed over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exports.audit.record import record_action
from exports.conf import conf
from exports.exceptions import Fenced, LostRace, WaitsForSpace
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
    from collections.abc import Iterable

    from exports.lifecycle.transitions import Lines


def claim(export_id: uuid.UUID, *, worker: str, task_id: str = "") -> Export:
    """Claim a queued export for `worker`, with the next attempt and a new lease.

    Raises LostRace if the export is not queued, so a message that the broker delivers twice does
    nothing the second time. Raises WaitsForSpace if there is no room for the file, and publishes that the
    export waits for space.
    """
    export = Export.objects.filter(pk=export_id, status=Status.QUEUED).first()
    if export is None:
        raise LostRace(f"Export {export_id} is not waiting for a worker.")
    if lacking := room.shortage_for(export):
        room.wait_for_space(export)
        raise WaitsForSpace(f"Export {export_id} is waiting for disk space: {lacking}.")
    with atomic():
        move(
            export,
            Status.RUNNING,
            event="export.started",
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


def succeed(export: Export, *, lines: Lines = (), **file: Any) -> None:
    """Record that the complete file is in storage. `file` has its name, bytes and sha256."""
    expires = Now() + timedelta(days=conf.EXPIRE_DAYS)
    _finish(export, Status.SUCCEEDED, lines, expires_at=expires, **file)


def fail(export: Export, reason: str, *, lines: Lines = (), **counters: Any) -> None:
    """Record that the export failed. Pages translate a `reason` that is a Message."""
    _finish(export, Status.FAILED, lines, **dump(reason), **counters)


def stop(export: Export, reason: str, *, lines: Lines = ()) -> None:
    """Fail the export because its owner has lost the right to it, as `reason` says."""
    _finish(export, Status.FAILED, lines, action=Action.EXPORT_STOPPED, **dump(reason))


def _finish(
    export: Export, new: Status, lines: Lines, *, action: Action | None = None, **fields: Any
) -> None:
    fields |= {"finished_at": Now(), "stage": Stage.NONE, "lease_expires_at": None}
    try:
        with atomic():
            move(export, new, lines=lines, **fields)
            if action is not None:
                record_action(action, export, details={"reason": export.error})
    except LostRace:
        # A user has just paused or cancelled the export, or this worker is fenced.
        finish_stopping(export, lines=lines)


def finish_stopping(export: Export, *, lines: Lines = ()) -> None:
    """Pause or cancel the export, as a user requested. Raises Fenced if this attempt is over."""
    attempt = export.attempt
    with atomic():
        parts.reopen(Part.objects.filter(export=export.pk))
        counters = parts.totals(export.pk)
        with locked(export):
            if export.attempt != attempt or export.status not in HELD:
                raise Fenced(f"Attempt {attempt} of export {export.pk} is over.")
            # An orderly stop is a handover: the attempt does not count as a lost worker.
            come_to_rest(export, lines, handovers=export.handovers + 1, **counters)


def hand_over(
    export: Export,
    claimed: Iterable[Part] = (),
    *,
    lines: Lines = (),
    waits_for: Wait = Wait.NOTHING,
) -> None:
    """Put the export back in the queue. Keep the finished parts, and reopen the parts `claimed`.

    Helpers release their parts at their next report. Another worker gets a message at once; with
    `waits_for`, `rescue` sends it when there is room.
    """
    try:
        with atomic():
            parts.reopen_claimed(claimed)
            fields = {**parts.totals(export.pk), "waits_for": waits_for}
            requeue(export, lines, handovers=export.handovers + 1, **fields)
    except LostRace:
        finish_stopping(export, lines=lines)
