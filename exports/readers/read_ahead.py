"""Read ahead: a thread reads the next items while earlier ones are written and stored."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from contextvars import copy_context
from threading import Condition, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from notifications.delivery.db_threads import closes_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """Iterate over `items` with a thread that reads ahead in the caller's context.

    The thread waits while the buffered items are larger than `max_bytes`; `size_of` returns the
    size of an item. An error in the thread is raised to the caller after the items before it.

    The caller closes this. If the thread is still reading then, `interrupt` is called once and must
    end a long wait in `items`. Also, `items` must yield something regularly, such as an empty item,
    so that the thread notices that this was closed. Errors after that are dropped.
    """

    def __init__(
        self,
        items: Generator[T, None, None],
        *,
        max_bytes: int,
        size_of: Callable[[T], int],
        interrupt: Callable[[], None],
    ) -> None:
        self._items, self._max_bytes, self._size_of = items, max_bytes, size_of
        self._interrupt = interrupt
        self._buffer: deque[tuple[T, int]] = deque()
        self._bytes = 0  # The size of the buffered items.
        self._error: BaseException | None = None
        self._is_done = self._is_closed = False
        self._changed = Condition()
        # The code of an exporter in `items` may query over a connection of the thread.
        run = closes_connections(copy_context().run)
        self._thread = Thread(target=run, args=(self._read,), name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> ReadAhead[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._is_done)
            if self._buffer:
                item, size = self._buffer.popleft()
                self._bytes -= size
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        raise error or StopIteration

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._buffer.clear()
            self._changed.notify_all()
            is_reading = not self._is_done
        if is_reading:
            self._interrupt()
        self._thread.join()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._put(item):
                        break
        # `__next__` raises it in the thread of the caller.
        except BaseException as raised:  # noqa: BLE001
            error = raised
        with self._changed:
            self._error, self._is_done = error, True
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Add `item` to the buffer when there is room; return False if this was closed."""
        size = self._size_of(item)
        with self._changed:
            self._changed.wait_for(lambda: self._bytes <= self._max_bytes or self._is_closed)
            if self._is_closed:
                return False
            self._buffer.append((item, size))
            self._bytes += size
            self._changed.notify_all()
            return True
