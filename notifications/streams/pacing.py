"""Pace a sender: at most `rate` items a second, evenly spread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A batch has as many items as the rate allows in this time. Larger batches would arrive in bursts,
# and smaller ones would cost more messages.
BATCH_SECONDS = 0.1


class Pacer:
    """Delays a sender that exceeds `rate` items a second. Unused time allows no later burst."""

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    def batch(self, max_items: int) -> int:
        """Return how many items to send in one message, at most `max_items`."""
        return max(1, min(max_items, int(self._rate * BATCH_SECONDS)))

    def wait(self, count: int) -> None:
        """Sleep until the next `count` items may be sent."""
        if (early := self._free_at - self._clock()) > 0:
            self._sleep(early)
        self._free_at = max(self._free_at, self._clock()) + count / self._rate
