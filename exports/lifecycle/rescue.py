"""Puts right what is stuck: exports whose worker was lost, and those that the broker forgot."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from exports.conf import conf
from exports.exceptions import (
    LostRace,
)
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


# An export that was enqueued this long ago, and is not among the messages that wait, may be
# with a worker that has not claimed it yet, or lost. Enqueued again, it is claimed once.
FORGOTTEN_SECONDS = 5


def rescue() -> dict[str, int]:
    """Put right what is stuck. Returns how many: rescued, failed, settled, enqueued.

    Safe to run anywhere and at once: each export is locked and looked at again.
    """
    done = {"rescued": 0, "failed": 0, "settled": 0, "enqueued": 0}
    for export_id in list(_lost().values_list("pk", flat=True)):
        # Lost: its lease was renewed, or somebody else has rescued it.
        with suppress(LostRace):
            done[_rescue(export_id)] += 1
    room.release_waiting()
    done["enqueued"] = _enqueue_forgotten()
    return done


def _lost() -> QuerySet[Export]:
    return Export.objects.filter(lease_expires_at__lt=Now(), status__in=HELD)


@atomic()
def _rescue(export_id: uuid.UUID) -> str:
    """A worker was lost: its lease has run out. Where its export goes from here."""
    # Those who help and live may finish what they have, unless all is to come to rest.
    claimed = Part.objects.filter(export=export_id)
    goes_on = Export.objects.filter(pk=export_id, status=Status.RUNNING).exists()
    parts.release(claimed.filter(parts.expired()) if goes_on else claimed)
    counters = parts.totals(export_id)
    export = _lost().select_for_update().filter(pk=export_id).first()
    if export is None:
        raise LostRace(f"Export {export_id} is in good hands.")
    who = f"Worker {export.worker}, attempt {export.attempt},"
    died = f"{who} has not been heard of for {conf.LEASE_SECONDS} s"
    if export.status != Status.RUNNING:
        come_to_rest(export, [log_line(f"{died}.")], **counters)
        return "settled"
    # The attempt is raised by the next claim; until then nobody's write can pass, because
    # no worker's UPDATE expects "queued".
    lost = export.attempt - export.handovers
    if lost >= conf.MAX_ATTEMPTS:
        # What the last one could still say is a better reason than its silence.
        reason = load(export.error, export.reason) or _lost_workers(lost, export.worker)
        lines = [log_line(f"{died}. No further attempt.", "ERROR")]
        fail(export, reason, lines=lines, **counters)
        return "failed"
    warning = f"{died}. Another worker goes on from the last finished part."
    requeue(export, "export.rescued", [log_line(warning, "WARNING")], **counters)
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
    """Enqueue what waits and the broker does not know of. Twice does no harm: see claim."""
    stale = Now() - timedelta(seconds=FORGOTTEN_SECONDS)
    # No worker could claim an export that waits for room.
    queued = Export.objects.filter(status=Status.QUEUED, waits_for=Wait.NOTHING)
    never = queued.filter(enqueued_at=None)
    waiting = queue.message_count()
    if waiting is not None and waiting < queued.count():
        never |= queued.filter(enqueued_at__lt=stale)
    return sum(queue.enqueue(pk) for pk in never.order_by("queued_at").values_list("pk", flat=True))
