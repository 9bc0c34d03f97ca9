"""Python's search for cycles, made rare while rows are read.

Rows are objects by the thousand that live for a moment and hold no cycles. With Python's
own threshold they had it search the whole heap again and again: more than half of the
processor's time in what COPY gives, a fifth in what is read row by row.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Objects more than there were before: above what a page holds, so that only what really
# grows is searched, as the leftovers of somebody's own function.
MORE = 50_000

_lock = threading.Lock()
_readers = 0
_before = (0, 0, 0)


@contextmanager
def raised_gc_threshold() -> Iterator[None]:
    """While the block runs, in any thread, cycles are searched for once in many objects."""
    global _readers, _before  # noqa: PLW0603 - the threshold is the process's, too
    with _lock:
        if _readers == 0:
            _before = gc.get_threshold()
            # 0 means that somebody has switched it off.
            gc.set_threshold(_before[0] and max(_before[0], MORE), *_before[1:])
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                gc.set_threshold(*_before)
