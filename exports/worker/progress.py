"""The interval at which a worker reports, and its rate. The clock is injected; there is no I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], float]

INTERVAL = 0.25  # Seconds between reports. Four a second look live.
MAX_SHARE = 0.05  # Reports may take 5 % of the time.
MAX_STRETCH = 4  # A slow database stretches the interval up to fourfold. That still looks live.
MEMORY = 5.0  # Seconds over which the rate is smoothed.


class Ticker:
    """Call `report` at most every `interval` seconds, however often `touch` is called.

    The interval grows if a report takes long, because rows wait in the meantime.
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
        """Report if the interval has passed since the last report."""
        if self._clock() - self._last >= self._pause:
            self.flush()

    def flush(self) -> None:
        """Report now."""
        began = self._clock()
        self._report()
        self._last = self._clock()
        wanted = (self._last - began) / MAX_SHARE
        self._pause = min(max(wanted, self._interval), self._interval * MAX_STRETCH)


class Rate:
    """Rows a second: a moving average over about `memory` seconds."""

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
        """The current rate; None until some time has passed."""
        now = self._clock()
        elapsed = now - self._since
        if elapsed >= INTERVAL / 2:
            latest = self._rows / elapsed
            # At first this is a plain average, because there is nothing to smooth yet.
            weight = min(elapsed / min(now - self._began, self._memory), 1.0)
            self._value = latest * weight + (self._value or 0.0) * (1 - weight)
            self._since, self._rows = now, 0
        return self._value
