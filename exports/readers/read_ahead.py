"""Read ahead: a thread goes on reading while what was read is written, reported and stored."""

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


class Ahead(Generic[T]):
    """Iterates over what `items` yields, which a thread takes ahead, in the caller's context.

    It waits while more than `most` is ahead, as `weigh` weighs each item. What is raised there
    is raised here, in its place.

    To be closed: if the thread is still at work then, `interrupt` is called once, which is to
    make a long wait in `items` end. In any case `items` must give something, if only an item
    without weight, every now and then: so the thread learns that nobody wants any more. What
    it raises after that is nobody's.
    """

    def __init__(
        self,
        items: Generator[T, None, None],
        *,
        most: int,
        weigh: Callable[[T], int],
        interrupt: Callable[[], None],
    ) -> None:
        self._items, self._most, self._weigh = items, most, weigh
        self._interrupt = interrupt
        self._taken: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._error: BaseException | None = None
        self._is_done = self._is_closed = False
        self._changed = Condition()
        # An exporter's code in `items` may query over this thread's own connection.
        run = closes_connections(copy_context().run)
        self._thread = Thread(target=run, args=(self._take,), name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._taken or self._is_done)
            if self._taken:
                item, weight = self._taken.popleft()
                self._weight -= weight
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        raise error or StopIteration

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._taken.clear()
            self._changed.notify_all()
            is_at_work = not self._is_done
        if is_at_work:
            self._interrupt()
        self._thread.join()

    def _take(self) -> None:
        error: BaseException | None = None
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._give(item):
                        break
        # Whatever it is, it belongs to who iterates.
        except BaseException as raised:  # noqa: BLE001
            error = raised
        with self._changed:
            self._error, self._is_done = error, True
            self._changed.notify_all()

    def _give(self, item: T) -> bool:
        """Add an item to what is ahead. False when nobody wants any more."""
        weight = self._weigh(item)
        with self._changed:
            self._changed.wait_for(lambda: self._weight <= self._most or self._is_closed)
            if self._is_closed:
                return False
            self._taken.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return True
