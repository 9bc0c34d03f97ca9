"""Read ahead: a thread goes on reading while what was read is written, reported and stored."""

from __future__ import annotations

from contextlib import closing
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

T = TypeVar("T")


class _End:
    """The last that the thread gives: no more, or what was raised."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Iterates over what `items` yields, which a thread takes up to `most` items ahead.

    What is raised there is raised here, in its place. To be closed: then `interrupt`, which is
    to make a wait in `items` end, is called if the thread is still at work.
    """

    def __init__(
        self, items: Generator[T, None, None], most: int, interrupt: Callable[[], None]
    ) -> None:
        self._items = items
        self._interrupt = interrupt
        self._taken: Queue[T | _End] = Queue(most)
        self._is_closed = False
        self._is_over = False
        self._thread = Thread(target=self._take, name="read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        if self._is_over:
            raise StopIteration
        item = self._taken.get()
        if not isinstance(item, _End):
            return item
        self._is_over = True
        self._thread.join()
        raise item.error or StopIteration

    def close(self) -> None:
        self._is_closed = True
        if not self._is_over:
            self._interrupt()
        while not self._is_over:
            self._is_over = isinstance(self._taken.get(), _End)
        self._thread.join()

    def _take(self) -> None:
        error: BaseException | None = None
        try:
            with closing(self._items):
                for item in self._items:
                    self._taken.put(item)
                    if self._is_closed:
                        break
        # Whatever it is, it belongs to who iterates.
        except BaseException as raised:  # noqa: BLE001
            error = raised
        self._taken.put(_End(error))
