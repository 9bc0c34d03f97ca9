"""Waiting for something that another process does. Nothing else in the tests sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 30.0, what: str = "") -> T:
    """Ask `condition` until it returns something true, and return that.

    Raises TimeoutError, which says `what` did not happen and what was seen last. The
    pauses grow from 10 ms to 250 ms, so that a quick answer is quick and a long wait
    leaves the processor to whoever is being waited for.
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
