"""Raise the threshold of Python's garbage collector while rows are read.

Rows are thousands of objects that live for a moment and contain no cycles. With Python's default
threshold they triggered full collections all the time. The collections took more than half of the
processor time with COPY, and a fifth when rows were read one by one.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The number of new objects that triggers a collection. A page of rows has fewer, so a collection
# starts only if objects accumulate, such as cycles that a function of the project leaves behind.
THRESHOLD = 50_000

_lock = threading.Lock()
_readers = 0
_before = (0, 0, 0)


@contextmanager
def raised_gc_threshold() -> Iterator[None]:
    """Raise the threshold of this process until no thread is in such a block any more."""
    global _readers, _before  # noqa: PLW0603 - the threshold belongs to the process as well
    with _lock:
        if _readers == 0:
            _before = gc.get_threshold()
            # A threshold of 0 means that collection is switched off.
            gc.set_threshold(_before[0] and max(_before[0], THRESHOLD), *_before[1:])
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                gc.set_threshold(*_before)
