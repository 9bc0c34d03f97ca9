"""How much one socket may ask (a rate limiter). Pure: no I/O, and the clock is given.

A client that works as docs/protocol.md says never gets near. What does is a mistake in a
loop, or an attack, and is to cost this process and its database little.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A client that comes back subscribes to all that it has, 100 streams at most. One socket
# serves all tabs of a browser, and each that joins asks for all of its streams again. A
# frame is one question to the database for each kind, and a read for each name.
NAMES_AT_ONCE = 2000
NAMES_A_SECOND = 100
# Acks that free some of the window are not counted: there are no more of them than the
# server has sent frames, however quick the client is.
FRAMES_AT_ONCE = 1000
FRAMES_A_SECOND = 200


class Bucket:
    """Holds `size` tokens at first and at most, and gets `rate` more each second."""

    def __init__(self, size: float, rate: float, clock: Callable[[], float]) -> None:
        self._size = self._tokens = size
        self._rate = rate
        self._clock = clock
        self._filled_at = clock()

    def take(self, tokens: float) -> bool:
        """Take so many, or none and say False if there are not so many."""
        now = self._clock()
        self.put_back((now - self._filled_at) * self._rate)
        self._filled_at = now
        if tokens > self._tokens:
            return False
        self._tokens -= tokens
        return True

    def put_back(self, tokens: float) -> None:
        self._tokens = min(self._size, self._tokens + tokens)


class Allowance:
    """What one socket may still ask. The answers are what to tell it, None if nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._frames = Bucket(FRAMES_AT_ONCE, FRAMES_A_SECOND, clock)
        self._names = Bucket(NAMES_AT_ONCE, NAMES_A_SECOND, clock)

    def frame(self) -> str | None:
        """A frame has come."""
        if self._frames.take(1):
            return None
        return (
            f"Too many frames: {FRAMES_A_SECOND} a second at most. Acknowledge every half"
            " window, or once a second; a ping every few seconds is enough."
        )

    def useful_ack(self) -> None:
        """The frame was an ack, and freed some of the window."""
        self._frames.put_back(1)

    def names(self, count: int) -> str | None:
        """A frame subscribes to so many streams."""
        if self._names.take(count):
            return None
        return (
            f"streams: Too many names: {NAMES_A_SECOND} a second at most, {NAMES_AT_ONCE} at"
            " once. Subscribe when a stream is needed and after a reset, not in between."
        )
