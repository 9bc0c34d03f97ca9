"""Rate limits for the frames of one socket, and of all sockets of a user. No I/O.

A client that follows docs/protocol.md never reaches these limits. For a runaway loop or an attack,
they limit the cost for this process and the database.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Names in subscribe frames. A client that reconnects subscribes to all of its streams, at most 100.
# One socket serves all tabs of a browser, and each new tab subscribes to its streams again. A frame
# costs one query for each kind of stream and one read for each name.
NAMES_AT_ONCE = 2000
NAMES_A_SECOND = 100
# Acks that free part of the window do not count, because a client cannot send more of them than the
# server has sent frames.
FRAMES_AT_ONCE = 1000
FRAMES_A_SECOND = 200
# The bytes that the two limits above need. A name with its cursor takes at most 163 bytes (see
# frames.MAX_FRAME_BYTES): 326 000 bytes at once, and 16 300 a second. An ack takes at most 193
# bytes, and a client with 100 streams sends 100 acks a second: 19 300 bytes more.
BYTES_AT_ONCE = 512 * 1024
BYTES_A_SECOND = 64 * 1024
# The bytes of a useful ack do not count, up to this number. A longer ack is padded with blanks, and
# its padding counts.
ACK_BYTES = 200
# All sockets of a user in one process may together send this many times as much as one socket.
# Browsers without shared workers open a socket for each tab. The factor is small, so that an
# attacker gains little from many sockets.
USER_FACTOR = 2
# After this many seconds without a frame, every bucket is full again.
REFILL_SECONDS = max(
    NAMES_AT_ONCE / NAMES_A_SECOND,
    FRAMES_AT_ONCE / FRAMES_A_SECOND,
    BYTES_AT_ONCE / BYTES_A_SECOND,
)


class Bucket:
    """A token bucket: it starts with `size` tokens, its maximum, and gains `rate` a second."""

    def __init__(self, size: float, rate: float, clock: Callable[[], float]) -> None:
        self._size = self._tokens = size
        self._rate = rate
        self._clock = clock
        self._filled_at = clock()

    def take(self, tokens: float) -> bool:
        """Take the tokens and return True. If there are too few, take none and return False."""
        if not self.has(tokens):
            return False
        self._tokens -= tokens
        return True

    def has(self, tokens: float) -> bool:
        """Return whether `take` would succeed now."""
        self._refill()
        return self._tokens >= tokens

    def charge(self, tokens: float, max_debt: float) -> None:
        """Take the tokens even if there are too few, down to at most `max_debt` below zero."""
        self._refill()
        self._tokens = max(self._tokens - tokens, min(self._tokens, -max_debt))

    def seconds_until(self, tokens: float) -> float:
        """Return the seconds until the bucket holds `tokens`: 0 if it holds them now."""
        self._refill()
        return max(tokens - self._tokens, 0) / self._rate

    @property
    def is_full(self) -> bool:
        return self.has(self._size)

    def put_back(self, tokens: float) -> None:
        self._tokens = min(self._size, self._tokens + tokens)

    def _refill(self) -> None:
        now = self._clock()
        self.put_back((now - self._filled_at) * self._rate)
        self._filled_at = now


class Allowance:
    """The rate limits of one socket, or, with `factor`, of all sockets of a user together.

    The allowance of a socket also takes from `shared`, which is the allowance of its user. Methods
    return the error for the client, or None if the frame is within the limits.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        shared: Allowance | None = None,
        factor: int = 1,
    ) -> None:
        self._frames = Bucket(factor * FRAMES_AT_ONCE, factor * FRAMES_A_SECOND, clock)
        self._names = Bucket(factor * NAMES_AT_ONCE, factor * NAMES_A_SECOND, clock)
        self._bytes = Bucket(factor * BYTES_AT_ONCE, factor * BYTES_A_SECOND, clock)
        self._factor = factor
        self._shared = shared

    def frame(self, size: int) -> str | None:
        """Count a frame of `size` bytes from the client."""
        if not self._frames.take(1):
            return (
                f"Too many frames{self._scope()}: at most {self._factor * FRAMES_A_SECOND} a"
                " second. Acknowledge every half window, or once a second. A ping every few"
                " seconds is enough."
            )
        if not self._bytes.take(size):
            return (
                f"Too many bytes{self._scope()}: at most {self._factor * BYTES_A_SECOND} a second,"
                f" {self._factor * BYTES_AT_ONCE} at once."
            )
        return None if self._shared is None else self._shared.frame(size)

    def useful_ack(self, size: int) -> None:
        """Give back the tokens of the last frame, an ack that freed part of the window."""
        self._frames.put_back(1)
        self._bytes.put_back(min(size, ACK_BYTES))
        if self._shared is not None:
            self._shared.useful_ack(size)

    def names(self, count: int) -> str | None:
        """Count the `count` streams of a subscribe frame."""
        if not self._names.take(count):
            return (
                f"streams: Too many names{self._scope()}: at most {self._factor * NAMES_A_SECOND}"
                f" a second, {self._factor * NAMES_AT_ONCE} at once. Subscribe when a stream is"
                " needed and after a reset, not in between."
            )
        return None if self._shared is None else self._shared.names(count)

    def _scope(self) -> str:
        return "" if self._factor == 1 else " on all of your connections together"
