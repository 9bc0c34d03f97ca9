"""Decide when a worker yields to other exports, so that a huge one does not block small ones.

A helper stops after its current part if an export is queued. The holder of an export gives it back
only if that is not enough, for example because there is only one worker.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exports.lifecycle import queue
from exports.lifecycle.leases import Now
from exports.models import Export, Part, PartStatus
from exports.status import Status, Wait

if TYPE_CHECKING:
    from django.db.models import QuerySet

# Seconds without calls after the broker did not respond. A call to a broker that hangs takes three
# seconds, which would delay every part.
RETRY_SECONDS = 10.0
_retry_at = 0.0


def has_queued_exports() -> bool:
    """Return whether an export waits for a worker."""
    return _queued().exists()


def should_yield() -> bool:
    """Return whether the holder of an export should give it back to the queue.

    It should if more exports are queued than helpers that will take one, and the queue has a
    message. Without messages, other workers cannot find the queued exports, and the holder would
    get back its own.
    """
    return _queued().count() > helper_count() and bool(_message_count(queue.run_queue()))


def _queued() -> QuerySet[Export]:
    # No worker can claim an export that waits for disk space.
    return Export.objects.filter(status=Status.QUEUED, waits_for=Wait.NOTHING)


def helper_count() -> int:
    """Return the number of workers that help an export. Each soon yields to a queued one.

    A helper counts twice while it stores a part and has already claimed the next one.
    """
    held = Part.objects.filter(status=PartStatus.CLAIMED, by_helper=True)
    return held.filter(lease_expires_at__gt=Now()).count()


def helpers_wanted(export: Export, parallel: int) -> int:
    """Return how many more helpers to request for `export`, which may have `parallel` at once."""
    helping = export.parts.filter(status=PartStatus.CLAIMED, by_helper=True).count()
    open_parts = export.parts.filter(status=PartStatus.OPEN).count()
    # The last open part is for the holder.
    wanted = min(parallel - helping, open_parts - 1)
    if wanted <= 0 or has_queued_exports():
        return 0
    requested = _message_count(queue.help_queue())
    return 0 if requested is None else max(wanted - requested, 0)


def _message_count(name: str) -> int | None:
    """Like `queue.message_count`, but return None for a while after the broker did not respond."""
    global _retry_at  # noqa: PLW0603 - a worker's process has one broker
    if time.monotonic() < _retry_at:
        return None
    found = queue.message_count(name)
    if found is None:
        _retry_at = time.monotonic() + RETRY_SECONDS
    return found
