"""Repair stuck exports: their worker was lost, or the broker has lost their message."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from exports.conf import conf
from exports.exceptions import LostRace
from exports.i18n.message import Message, load
from exports.lifecycle import parts, queue, room
from exports.lifecycle.attempts import fail
from exports.lifecycle.leases import Now
from exports.lifecycle.transitions import come_to_rest, log_line, requeue
from exports.models import Export, Part
from exports.status import HELD, Status, Wait
from notifications.writing import atomic

if TYPE_CHECKING:
    import uuid

    from django.db.models import QuerySet

# A worker may have taken a younger message without having claimed the export yet.
FORGOTTEN_SECONDS = 5


def rescue() -> dict[str, int]:
    """Repair stuck exports. Return how many were rescued, failed, settled and enqueued.

    Several processes may run it at once: each locks an export and checks it again.
    """
    done = {"rescued": 0, "failed": 0, "settled": 0, "enqueued": 0}
    for export_id in list(_lost().values_list("pk", flat=True)):
        # LostRace means that its lease was renewed, or another process has rescued it.
        with suppress(LostRace):
            done[_rescue(export_id)] += 1
    room.release_waiting()
    done["enqueued"] = _enqueue_forgotten()
    return done


def _lost() -> QuerySet[Export]:
    return Export.objects.filter(lease_expires_at__lt=Now(), status__in=HELD)


@atomic()
def _rescue(export_id: uuid.UUID) -> str:
    """Move an export whose worker was lost. Return the outcome that `rescue` counts."""
    # Helpers that are alive may finish their parts, unless the export is pausing or cancelling.
    claimed = Part.objects.filter(export=export_id)
    is_running = Export.objects.filter(pk=export_id, status=Status.RUNNING).exists()
    parts.reopen(claimed.filter(parts.expired()) if is_running else claimed)
    counters = parts.totals(export_id)
    export = _lost().select_for_update().filter(pk=export_id).first()
    if export is None:
        raise LostRace(f"Export {export_id} does not need a rescue.")
    attempt = f"Worker {export.worker}, attempt {export.attempt},"
    silent = f"{attempt} has not responded for {conf.LEASE_SECONDS} s."
    if export.status != Status.RUNNING:
        come_to_rest(export, [log_line(silent)], **counters)
        return "settled"
    lost = export.attempt - export.handovers
    if lost >= conf.MAX_ATTEMPTS:
        # The last error that a worker stored says more than the number of lost workers.
        reason = load(export.error, export.reason) or _lost_workers(lost, export.worker)
        lines = [log_line(f"{silent} No further attempt.", "ERROR")]
        fail(export, reason, lines=lines, **counters)
        return "failed"
    warning = f"{silent} Another worker continues from the finished parts."
    # The attempt stays until the next claim. A lost worker cannot write in between, because each
    # UPDATE of a worker expects a status that is not "queued".
    requeue(export, [log_line(warning, "WARNING")], event="export.rescued", **counters)
    return "rescued"


def _lost_workers(count: int, last: str) -> Message:
    if count == 1:
        return Message("The worker %(worker)s stopped while running this export.", worker=last)
    return Message(
        "%(count)s workers stopped while running this export. The last one was %(worker)s.",
        count=count,
        worker=last,
    )


def _enqueue_forgotten() -> int:
    """Enqueue queued exports without a message. A second message does no harm: see `claim`."""
    # No worker can claim an export that waits for disk space.
    queued = Export.objects.filter(status=Status.QUEUED, waits_for=Wait.NOTHING)
    forgotten = queued.filter(enqueued_at=None)
    messages = queue.message_count()
    if messages is not None and messages < queued.count():
        stale = Now() - timedelta(seconds=FORGOTTEN_SECONDS)
        forgotten |= queued.filter(enqueued_at__lt=stale)
    ids = forgotten.order_by("queued_at").values_list("pk", flat=True)
    return sum(queue.enqueue(export_id) for export_id in ids)
