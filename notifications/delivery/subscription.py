"""One client's place in one stream. Pure logic: no I/O, no clock of its own.

It is told what the channel layer brought (`push`), where the database stands (`level`),
what a read of the table gave (`loaded`) and what the client has (`ack`). It answers what
to do next (`next`): send an item, read the table, or nothing. Whatever is lost, doubled or
reordered on the way, the client gets every event once and in order, and the newest values.
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
    """Send this item; the client then stands at `cursor`."""

    item: Item
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Read:
    """Read at most `limit` items after this cursor, and give the result to `loaded`."""

    after: Cursor | Literal["latest"] | None
    limit: int  # What the window has room for: no row is read to be dropped.


class Subscription:
    """Follows `stream` from `after`, with at most `window` items unacknowledged."""

    def __init__(
        self, stream: str, after: Cursor | Literal["latest"] | None, *, window: int
    ) -> None:
        self.stream = stream
        self.window = window
        # What the client will have once the queue is sent. Unknown until the first read.
        self.position: Cursor | None = None
        self._after = after
        self._queue: deque[Item] = deque()
        # How far the client has been sent, and what of that it has not acknowledged.
        self.sent: Cursor | None = None
        self._unacked: deque[Cursor] = deque()
        self._full_since: float | None = None
        # The furthest that anyone has said the stream goes.
        self._known_head: Cursor | None = None
        self._must_read = True
        self._is_reading = False
        self._known_head_when_read: Cursor | None = None

    # -- what comes in -----------------------------------------------------------

    def on_push(self, epoch: str, head: Cursor, items: Iterable[Item]) -> None:
        """The layer brought `items`; the stream goes at least to `head`."""
        self._note_head(head)
        if self._must_read or self._is_reading or self.position is None:
            return  # The read will bring them.
        if epoch != self.position.epoch:
            self._must_read = True
            return
        for item in items:
            if item.is_behind(self.position):
                continue
            if not item.follows(self.position) or not self._free_window():
                break  # Nothing is kept for a client that does not read. The table has it.
            self._queue.append(item)
            self.position = self.position.join(item.position)
        self._must_read = not self.position.covers(self._known_head or head)

    def on_head(self, head: Cursor) -> bool:
        """The database says where the stream stands. True if that was has_more."""
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
        """A read that `next` asked for has come back."""
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
        # Asked of the table, so nothing heard before is has_more. What came meanwhile is.
        has_more = self._known_head != self._known_head_when_read and not (
            self._known_head is None or self.position.covers(self._known_head)
        )
        if not has_more:
            self._known_head = self.position
        self._must_read = backlog.more or has_more

    def on_read_failed(self) -> None:
        """The read that `next` asked for failed. It will ask again."""
        self._must_read = self._must_read or self._is_reading
        self._is_reading = False

    def on_ack(self, cursor: Cursor) -> bool:
        """The client has everything up to `cursor`. True if that freed some of the window.

        Another epoch's is ignored.
        """
        before = len(self._unacked)
        while self._unacked and cursor.covers(self._unacked[0]):
            self._unacked.popleft()
            self._full_since = None
        return len(self._unacked) < before

    # -- what goes out -----------------------------------------------------------

    def next_step(self, now: float) -> Send | Read | None:
        """What to do next at `now` (seconds of any steady clock)."""
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
        assert self.sent is not None  # Items come from reads and from pushes after one.
        self.sent = self.sent.join(item.position)
        self._unacked.append(self.sent)
        if not self._queue and self.position is not None:
            # A read may end beyond its last item: values that were replaced are not sent.
            self.sent = self.position
        return Send(item, self.sent)

    def stalled_since(self) -> float | None:
        """Since when the window is full and nothing has been acknowledged. None: it is not."""
        return self._full_since

    def _free_window(self) -> int:
        """How many more items the window takes. What is queued has its place already."""
        return self.window - len(self._unacked) - len(self._queue)
