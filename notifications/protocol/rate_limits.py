"""How much one socket, and one user, may send (a rate limiter). No I/O; the clock is given.

A client that follows docs/protocol.md never comes near these limits. A loop gone wrong or an
attack does, and must cost this process and its database little.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A client that comes back subscribes to all that it has, 100 streams at most. One socket
# serves all tabs of a browser, and each that joins asks for all of its streams again. A
# frame is one query for each kind of stream, and a read for each name.
NAMES_AT_ONCE = 2000
NAMES_A_SECOND = 100
# Acks that free some of the window are not counted: there are no more of them than the
# server has sent frames, however quick the client is.
FRAMES_AT_ONCE = 1000
FRAMES_A_SECOND = 200
# What the two limits above need in bytes. A name takes 163 bytes at most, with a cursor (see
# frames.MAX_FRAME_BYTES): 326 000 bytes at once, and 16 300 a second. An ack takes 193 at
# most, and a client with 100 streams sends 100 a second: 19 300 more.
BYTES_AT_ONCE = 512 * 1024
BYTES_A_SECOND = 64 * 1024
# An ack that frees some of the window gives back its bytes, too, but not those of blanks
# that somebody has filled it with.
ACK_BYTES = 200
# All sockets of a user in one process together may send this many times what one may.
# Browsers that share no connection between their tabs need more than one; what an attacker
# can gain with many sockets stays small.
USER_FACTOR = 2
# After so many seconds without a frame every bucket is full again.
REFILL_SECONDS = max(
    NAMES_AT_ONCE / NAMES_A_SECOND,
    FRAMES_AT_ONCE / FRAMES_A_SECOND,
    BYTES_AT_ONCE / BYTES_A_SECOND,
)


class Bucket:
    """Holds `size` tokens at first and at most, and gets `rate` more each second."""

    def __init__(self, size: float, rate: float, clock: Callable[[], float]) -> None:
        self._size = self._tokens = size
        self._rate = rate
        self._clock = clock
        self._filled_at = clock()

    def take(self, tokens: float) -> bool:
        """Take so many, or none and say False if there are not so many."""
        if not self.has(tokens):
            return False
        self._tokens -= tokens
        return True

    def has(self, tokens: float) -> bool:
        """Whether `take` would succeed now."""
        self._refill()
        return self._tokens >= tokens

    def charge(self, tokens: float, max_debt: float) -> None:
        """Take so many tokens even if there are fewer. This leaves a debt of `max_debt` at most."""
        self._refill()
        self._tokens = max(self._tokens - tokens, min(self._tokens, -max_debt))

    def seconds_until(self, tokens: float) -> float:
        """In how many seconds there are so many tokens; 0 if they are there now."""
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
    """What one socket may still send, or with `factor` all sockets of a user together.

    A socket's own allowance has that of its user as `shared`, and takes from both. Methods
    return the error to send to the client, or None if the frame is within the limits.
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
        """Account for a frame of `size` bytes that has come."""
        if not self._frames.take(1):
            return (
                f"Too many frames{self._scope()}: {self._factor * FRAMES_A_SECOND} a second"
                " at most. Acknowledge every half window, or once a second; a ping every few"
                " seconds is enough."
            )
        if not self._bytes.take(size):
            return (
                f"Too many bytes{self._scope()}: {self._factor * BYTES_A_SECOND} a second at"
                f" most, {self._factor * BYTES_AT_ONCE} at once."
            )
        return None if self._shared is None else self._shared.frame(size)

    def useful_ack(self, size: int) -> None:
        """Return the tokens of the last frame, an ack that has freed some of the window."""
        self._frames.put_back(1)
        self._bytes.put_back(min(size, ACK_BYTES))
        if self._shared is not None:
            self._shared.useful_ack(size)

    def names(self, count: int) -> str | None:
        """Account for a frame that subscribes to so many streams."""
        if not self._names.take(count):
            return (
                f"streams: Too many names{self._scope()}: {self._factor * NAMES_A_SECOND} a"
                f" second at most, {self._factor * NAMES_AT_ONCE} at once. Subscribe when a"
                " stream is needed and after a reset, not in between."
            )
        return None if self._shared is None else self._shared.names(count)

    def _scope(self) -> str:
        return "" if self._factor == 1 else " on all of your connections together"
