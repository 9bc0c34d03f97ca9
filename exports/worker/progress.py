"""When to report, and how fast it goes. The clock is injected; there is no I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], float]

INTERVAL = 0.25  # seconds between reports: four a second look live
SHARE = 0.05  # of the time that reports may take,
LONGEST = 4  # until they are so many intervals apart: one a second still looks live
MEMORY = 5.0  # seconds over which the rate is smoothed


class Ticker:
    """Calls `report` at most once in `interval` seconds, however often it is touched.

    Less often, if a report takes long: rows wait meanwhile.
    """

    def __init__(
        self, report: Callable[[], None], interval: float = INTERVAL, clock: Clock = time.monotonic
    ) -> None:
        self._report = report
        self._interval = interval
        self._clock = clock
        self._last = clock()
        self._pause = interval

    def touch(self) -> None:
        """Something has changed."""
        if self._clock() - self._last >= self._pause:
            self.flush()

    def flush(self) -> None:
        """Report now."""
        began = self._clock()
        self._report()
        self._last = self._clock()
        wanted = (self._last - began) / SHARE
        self._pause = min(max(wanted, self._interval), self._interval * LONGEST)


class Rate:
    """Rows a second, as an average that forgets what is older than some seconds."""

    def __init__(self, clock: Clock = time.monotonic, memory: float = MEMORY) -> None:
        self._clock = clock
        self._memory = memory
        self._began = self._since = clock()
        self._rows = 0.0
        self._value: float | None = None

    def add(self, rows: float) -> None:
        self._rows += rows

    @property
    def value(self) -> float | None:
        """The rate now; None until there was time to measure one."""
        now = self._clock()
        elapsed = now - self._since
        if elapsed >= INTERVAL / 2:
            latest = self._rows / elapsed
            # At first all has the same weight: nothing is done yet when it is asked first.
            weight = min(elapsed / min(now - self._began, self._memory), 1.0)
            self._value = latest * weight + (self._value or 0.0) * (1 - weight)
            self._since, self._rows = now, 0
        return self._value
