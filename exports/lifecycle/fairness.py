"""Who gives way to whom, so that one huge export does not keep small ones waiting.

Whoever helps gives its worker back as soon as its part is done and somebody waits. Who holds
an export does so only if that is not enough: where there is one worker, it takes turns.
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

REST_SECONDS = 10.0  # A broker that hangs costs three seconds a question: not after each part.
_rests_until = 0.0


def has_queued_exports() -> bool:
    """Whether an export waits for a worker."""
    return _waiting().exists()


def should_yield() -> bool:
    """Whether who holds an export should give it back.

    Only for what a worker would find in the queue: for an export whose message was lost, to
    give way would be to take one's own back at once.
    """
    waiting = _waiting().count()
    return waiting > helpers() and bool(_messages(queue.run_queue()))


def _waiting() -> QuerySet[Export]:
    # No worker could begin an export that waits for room.
    return Export.objects.filter(status=Status.QUEUED, waits_for=Wait.NOTHING)


def helpers() -> int:
    """Workers that help, whatever export, and will give way.

    One that has claimed its next part already is counted twice, while it stores the last.
    """
    held = Part.objects.filter(status=PartStatus.CLAIMED, by_helper=True)
    return held.filter(lease_expires_at__gt=Now()).count()


def helpers_wanted(export: Export, parallel: int) -> int:
    """How many more workers `export` could use now."""
    others = export.parts.filter(status=PartStatus.CLAIMED, by_helper=True).count()
    open_parts = export.parts.filter(status=PartStatus.OPEN).count()
    # The last open part is for who holds the export.
    wanted = min(parallel - others, open_parts - 1)
    if wanted <= 0 or has_queued_exports():
        return 0
    asked = _messages(queue.help_queue())
    return 0 if asked is None else max(wanted - asked, 0)


def _messages(name: str) -> int | None:
    """How many wait in that queue; None if the broker does not answer, or did not just now."""
    global _rests_until  # noqa: PLW0603 - a worker's process has one broker
    if time.monotonic() < _rests_until:
        return None
    found = queue.message_count(name)
    if found is None:
        _rests_until = time.monotonic() + REST_SECONDS
    return found
