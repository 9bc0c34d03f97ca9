"""A stream without a socket: what is new is read from the table, the hub says when to look.

The long poll and server-sent events are made of this. Cursors, order and access are those
of the socket, so a client may change from one to the other in mid-stream.
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
    """One request's place in one stream. Follows it at the hub while its block runs.

    Can be read without that, too. Enter it before asking whether its reader may read: a
    right that is withdrawn after the answer is then noticed.
    """

    def __init__(
        self, stream: str, after: Cursor | Literal["latest"] | None, *, reader: object
    ) -> None:
        self.stream = stream
        self.position = after
        # The rights of the reader, a user's id, may have changed: the client is to come anew.
        self.must_reconnect = False
        self._reader = reader
        self._wake = asyncio.Event()
        self._hub = hub.current()

    def enter(self, *, is_brief: bool = False) -> None:
        """Hear from now on of changes about the reader's rights.

        Raises TooManyConnectionsError if the reader has as many connections as they may.
        """
        self._hub.enter(self, self._reader, is_brief=is_brief)

    def exit(self) -> None:
        self._hub.exit(self)

    async def __aenter__(self) -> Follower:
        try:
            await self._hub.follow(self.stream, self)
        except BaseException:
            # Cancelled while it waits for the layer: then nobody calls __aexit__.
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
        """What is there now; the place moves to its end."""
        self._wake.clear()  # Before the read: what comes meanwhile wakes us again.
        page = await in_database(backlog.read, self.stream, self.position)
        self.position = page.end
        return page

    async def wait_for_items(self, seconds: float) -> bool:
        """Wait until there may be something to read.

        False if `seconds` have passed, or the reader's rights are in doubt.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return False
        return not self.must_reconnect


def frames(page: Backlog) -> Iterator[tuple[str, Cursor]]:
    """The frames of a page, each with the cursor that a client then has."""
    cursor = page.start
    for number, item in enumerate(page.items, start=1):
        # A page may end beyond its last item: values that were replaced are not sent.
        last = number == len(page.items)
        cursor = page.end if last else cursor.join(item.position)
        yield item.frame(cursor), cursor
