"""Follow a stream without a socket, for the long poll and for server-sent events.

The hub wakes the follower, which then reads the tables. Cursors, order and access are the same as
on the socket, so a client can switch between transports at any position.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from notifications.delivery import hub
from notifications.delivery.db_threads import in_database
from notifications.streams import backlog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from notifications.streams.backlog import Backlog
    from notifications.streams.cursor import Cursor
    from notifications.streams.items import Item


class Follower:
    """The position of one request in one stream. As a context manager, it follows the stream.

    `read` works outside of the block, too. Call `enter` before you check whether the reader may
    read the stream. So the follower notices a right that is withdrawn after the check.
    """

    def __init__(
        self, stream: str, after: Cursor | Literal["latest"] | None, *, reader: object
    ) -> None:
        self.stream = stream
        self.position = after
        # True if the reader's rights may have changed. Then the response must end.
        self.must_reconnect = False
        self._reader = reader
        self._wake = asyncio.Event()
        self._hub = hub.current()

    def enter(self, *, is_brief: bool = False) -> None:
        """Watch for changes of the reader's rights, and count the request as a connection.

        Raise TooManyConnectionsError if the reader is at a limit.
        """
        self._hub.enter(self, self._reader, is_brief=is_brief)

    def exit(self) -> None:
        self._hub.exit(self)

    async def __aenter__(self) -> Follower:
        try:
            await self._hub.follow(self.stream, self)
        except BaseException:
            # The request may be cancelled while it waits for the layer. Then __aexit__ is not
            # called.
            self._hub.exit(self)
            self._hub.drop(self.stream, self)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hub.exit(self)
        await self._hub.leave(self.stream, self)

    def on_push(self, stream: str, epoch: str, head: Cursor, items: list[Item]) -> None:  # noqa: ARG002 - the hub's
        self._wake.set()

    def on_head(self, stream: str, head: Cursor) -> None:  # noqa: ARG002 - the hub's signature
        if self.position != head:
            self._wake.set()

    def rights_changed(self, *, by_name: bool) -> None:  # noqa: ARG002 - the hub's signature
        self.must_reconnect = True
        self._wake.set()

    async def read(self) -> Backlog:
        """Read the next page and move the position to its end."""
        self._wake.clear()  # Before the read, so that an item that arrives during it sets it again.
        page = await in_database(backlog.read, self.stream, self.position)
        self.position = page.end
        return page

    async def wait_for_items(self, seconds: float) -> bool:
        """Wait until there may be items to read.

        Return False after `seconds`, or if the rights of the reader may have changed.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return not self.must_reconnect


def frames(page: Backlog) -> Iterator[tuple[str, Cursor]]:
    """Yield the frames of a page, each with the client's cursor after it."""
    cursor = page.start
    for number, item in enumerate(page.items, start=1):
        # A page may end beyond its last item, because replaced values are not sent.
        last = number == len(page.items)
        cursor = page.end if last else cursor.join(item.position)
        yield item.frame(cursor), cursor
