"""Wait for another process. Nothing else in the tests sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 30.0, what: str = "") -> T:
    """Call `condition` until it returns a true value, and return that value.

    Raise TimeoutError, which names `what` did not happen and the last value. The pauses grow from
    10 ms to 250 ms, so that short waits are short and long waits leave the processor to others.
    """
    deadline = time.monotonic() + timeout
    pause = 0.01
    while not (seen := condition()):
        if time.monotonic() > deadline:
            expected = what or getattr(condition, "__name__", "the condition")
            raise TimeoutError(f"Not within {timeout:g} s: {expected}. Last seen: {seen!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return seen
