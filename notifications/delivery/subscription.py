"""The position of one client in one stream. Pure logic: no I/O and no clock.

Callers report what happens: a push from the channel layer (`on_push`), the stream's position in the
database (`on_head`), the result of a read (`on_read`, `on_read_failed`) and an acknowledgement
(`on_ack`). `next_step` returns what to do: send an item, read the table, or nothing. Messages may be
lost, repeated or reordered: the client still gets every event once and in order, and the newest
values.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from notifications.streams.backlog import Backlog
    from notifications.streams.cursor import Cursor
    from notifications.streams.items import Item


@dataclass(frozen=True, slots=True)
class Send:
    """Send `item`. The client is at `cursor` after it."""

    item: Item
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Read:
    """Read at most `limit` items after `after`, and pass the result to `on_read`."""

    after: Cursor | Literal["latest"] | None
    limit: int  # The free part of the window. Further rows could not be sent.


class Subscription:
    """Follows `stream` from `after`, with at most `window` items unacknowledged."""

    def __init__(
        self, stream: str, after: Cursor | Literal["latest"] | None, *, window: int
    ) -> None:
        self.stream = stream
        self.window = window
        # The client's position once the queue is sent. Unknown until the first read.
        self.position: Cursor | None = None
        self._after = after
        self._queue: deque[Item] = deque()
        # The position of the last sent item, and the sent cursors that are not acknowledged.
        self.sent: Cursor | None = None
        self._unacked: deque[Cursor] = deque()
        self._full_since: float | None = None
        # The highest position of the stream that any caller has reported.
        self._known_head: Cursor | None = None
        self._must_read = True
        self._is_reading = False
        self._known_head_when_read: Cursor | None = None

    # -- reports -----------------------------------------------------------------

    def on_push(self, epoch: str, head: Cursor, items: Iterable[Item]) -> None:
        """A push brought `items`. The stream is at `head` or beyond."""
        self._note_head(head)
        if self._must_read or self._is_reading or self.position is None:
            return  # The next read will find the items.
        if epoch != self.position.epoch:
            self._must_read = True
            return
        for item in items:
            if item.is_behind(self.position):
                continue
            if not item.follows(self.position) or not self._free_window():
                break  # With a full window, items are not kept in memory. A later read gets them.
            self._queue.append(item)
            self.position = self.position.join(item.position)
        self._must_read = not self.position.covers(self._known_head or head)

    def on_head(self, head: Cursor) -> bool:
        """In the database, the stream is at `head`. Return True if this makes a read necessary."""
        self._note_head(head)
        if self.position is None or self._must_read or self._is_reading:
            return False
        self._must_read = not self.position.covers(head)
        return self._must_read

    def _note_head(self, head: Cursor) -> None:
        if self._known_head is None or self._known_head.epoch != head.epoch:
            self._known_head = head
        else:
            self._known_head = self._known_head.join(head)

    def on_read(self, backlog: Backlog) -> None:
        """A read that `next_step` requested has returned."""
        self._is_reading = False
        if backlog.reset or self.position is None:
            self._queue.clear()
            self._unacked.clear()
            self._full_since = None
            self.sent = backlog.start
        self._queue.extend(backlog.items)
        self.position = backlog.end
        if not self._queue:
            self.sent = backlog.end
        # The read has all items that were reported before it, but may lack those reported during
        # it.
        has_more = self._known_head != self._known_head_when_read and not (
            self._known_head is None or self.position.covers(self._known_head)
        )
        if not has_more:
            self._known_head = self.position
        self._must_read = backlog.more or has_more

    def on_read_failed(self) -> None:
        """A read that `next_step` requested has failed. `next_step` will request it again."""
        self._must_read = self._must_read or self._is_reading
        self._is_reading = False

    def on_ack(self, cursor: Cursor) -> bool:
        """The client acknowledged everything up to `cursor`.

        Return True if that freed part of the window. A cursor of another epoch is ignored.
        """
        before = len(self._unacked)
        while self._unacked and cursor.covers(self._unacked[0]):
            self._unacked.popleft()
            self._full_since = None
        return len(self._unacked) < before

    # -- the next step -----------------------------------------------------------

    def next_step(self, now: float) -> Send | Read | None:
        """Return the next step at `now` (seconds of any monotonic clock), or None."""
        if self._queue:
            return self._send(self._queue.popleft())
        if len(self._unacked) >= self.window:
            self._full_since = now if self._full_since is None else self._full_since
        elif self._must_read and not self._is_reading:
            self._must_read, self._is_reading = False, True
            self._known_head_when_read = self._known_head
            return Read(
                self._after if self.position is None else self.position, self._free_window()
            )
        return None

    def _send(self, item: Item) -> Send:
        assert self.sent is not None  # The queue is empty before the first read.
        self.sent = self.sent.join(item.position)
        self._unacked.append(self.sent)
        if not self._queue and self.position is not None:
            # A read may end beyond its last item, because replaced values are not sent.
            self.sent = self.position
        return Send(item, self.sent)

    def stalled_since(self) -> float | None:
        """Return when the window became full, or None if it is not full."""
        return self._full_since

    def _free_window(self) -> int:
        """Return how many more items fit in the window, without those in the queue."""
        return self.window - len(self._unacked) - len(self._queue)
