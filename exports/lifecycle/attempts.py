"""What workers report about an attempt: it begins, succeeds, fails, stops or is handed over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exports.audit.record import record_action
from exports.conf import conf
from exports.exceptions import Fenced, LostRace, Waits
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
    """Claim a queued export for `worker`, with the next attempt and a new lease.

    Raises LostRace if the export is not queued, so a message that the broker delivers twice does
    nothing the second time. Raises Waits, and publishes that, if there is no room for the file.
    """
    export = Export.objects.filter(pk=export_id, status=Status.QUEUED).first()
    if export is None:
        raise LostRace(f"Export {export_id} is not waiting for a worker.")
    if lacking := room.shortage_for(export):
        room.wait_for_space(export)
        raise Waits(f"Export {export_id} is waiting for disk space: {lacking}.")
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
    """Record that the complete file is in storage. `file` has its name, bytes and sha256."""
    expires = Now() + timedelta(days=conf.EXPIRE_DAYS)
    _finish(export, Status.SUCCEEDED, "export.succeeded", lines, expires_at=expires, **file)


def fail(
    export: Export, reason: str, *, lines: Sequence[dict[str, Any]] = (), **counters: Any
) -> None:
    """Record that the export failed. A `reason` that is a Message is shown translated."""
    why = dump(reason)
    _finish(export, Status.FAILED, "export.failed", lines, **why, **counters)


def stop(export: Export, reason: str, *, lines: Sequence[dict[str, Any]] = ()) -> None:
    """Fail the export because its owner has lost the right to it, as `reason` says."""
    why = dump(reason)
    _finish(export, Status.FAILED, "export.failed", lines, action=Action.EXPORT_STOPPED, **why)


def _finish(
    export: Export,
    new: Status,
    event: str,
    lines: Sequence[dict[str, Any]],
    *,
    action: Action | None = None,
    **fields: Any,
) -> None:
    fields |= {"finished_at": Now(), "stage": Stage.NONE, "lease_expires_at": None}
    try:
        with atomic():
            move(export, new, event, lines=lines, **fields)
            if action is not None:
                record_action(action, export, details={"reason": export.error})
    except LostRace:
        # A user has just paused or cancelled the export, or this worker is fenced.
        finish_stopping(export, lines=lines)


def finish_stopping(export: Export, *, lines: Sequence[dict[str, Any]] = ()) -> None:
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
    lines: Sequence[dict[str, Any]] = (),
    waits_for: Wait = Wait.NOTHING,
) -> None:
    """Put the export back in the queue: keep the finished parts, and reopen those `claimed`.

    Helpers release their parts at their next report. Another worker gets a message at once, or with
    `waits_for` from `rescue` when there is room.
    """
    try:
        with atomic():
            parts.reopen_claimed(claimed)
            fields = {**parts.totals(export.pk), "waits_for": waits_for}
            requeue(export, "export.queued", lines, handovers=export.handovers + 1, **fields)
    except LostRace:
        finish_stopping(export, lines=lines)
