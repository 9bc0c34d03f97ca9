"""No more than so many a second, and evenly: a pure object with a clock of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A batch is what the rate allows in this time: larger ones come in bursts, and smaller
# ones cost a message each.
BATCH_SECONDS = 0.1


class Pacer:
    """Holds up whoever sends faster than `rate` a second. What was not used is not saved up."""

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

    def batch(self, most: int) -> int:
        """How many to send at once, of `most` that a message has room for."""
        return max(1, min(most, int(self._rate * BATCH_SECONDS)))

    def wait(self, count: int) -> None:
        """Return when the next `count` may be sent."""
        if (early := self._free_at - self._clock()) > 0:
            self._sleep(early)
        self._free_at = max(self._free_at, self._clock()) + count / self._rate
