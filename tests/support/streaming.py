"""A client of streams in this process, and a publisher outside of its event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from channels.testing import WebsocketCommunicator
from django.db import connections, transaction

from notifications.protocol.frames import SUBPROTOCOL
from notifications.routing import router
from notifications.streams import publish
from tests.support.signing_in import session_cookie

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from django.contrib.auth.models import User

T = TypeVar("T")

HOST = "testserver"
TIMEOUT = 30.0  # seconds, far more than any frame takes


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call `function` in a thread that may use the database, like another process."""

    def call() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


async def eventually(condition: Callable[[], T], what: str = "the condition") -> T:
    """Wait until `condition` is true, while the event loop runs."""
    try:
        async with asyncio.timeout(TIMEOUT):
            while not (seen := condition()):  # noqa: ASYNC110 - no event announces it
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"Not within {TIMEOUT:g} s: {what}. Last seen: {seen!r}") from None
    return seen


def tasks_of_streams() -> list[str]:
    """Return the names of the tasks of the hub and its connections in this event loop."""
    names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
    return sorted(name for name in names if name.startswith("stream"))


def append(stream: str, *types: str, **data: Any) -> None:
    """Append an event of each of these types in one transaction."""
    with transaction.atomic():
        publish.append_many(stream, [(each, data) for each in types])


async def append_events(stream: str, *types: str) -> None:
    """Append an event of each of these types, like another process."""
    await in_thread(append, stream, *types)


def retain(stream: str, key: str, **data: Any) -> None:
    with transaction.atomic():
        publish.retain(stream, key, data)


def session_of(user: User) -> str:
    """Return the cookie of a browser in which `user` has signed in."""
    return session_cookie(user)[1]


def headers(
    *, cookie: str = "", token: str = "", origin: str | None = f"http://{HOST}", host: str = HOST
) -> list[tuple[bytes, bytes]]:
    """Return headers of a handshake, by default those of a browser with cookie and origin."""
    given = {
        "host": host,
        "cookie": f"sessionid={cookie}" if cookie else "",
        "authorization": f"Bearer {token}" if token else "",
        "origin": origin or "",
    }
    return [(name.encode(), value.encode()) for name, value in given.items() if value]


class Socket:
    """A connection to the consumer. `frames` has all received frames except heartbeats."""

    def __init__(
        self, given: list[tuple[bytes, bytes]], subprotocols: Sequence[str] = (SUBPROTOCOL,)
    ) -> None:
        self.communicator = WebsocketCommunicator(
            router, "/ws/streams/", headers=given, subprotocols=list(subprotocols)
        )
        self.frames: list[dict[str, Any]] = []

    async def shake_hands(self) -> tuple[bool, Any]:
        """Connect. Return whether the server accepted it, and with which subprotocol."""
        accepted, subprotocol = await self.communicator.connect(TIMEOUT)
        return accepted, subprotocol

    async def send(self, type_: str, **fields: Any) -> None:
        await self.communicator.send_json_to({"type": type_, **fields})

    async def subscribe(self, streams: Mapping[str, str | None]) -> dict[str, Any]:
        """Follow each of `streams` from a cursor. Return the server's answer for the last."""
        await self.send("subscribe", streams=dict(streams))
        last = list(streams)[-1]
        return await self.until(
            lambda frame: frame["type"] in {"subscribed", "error"} and frame["stream"] == last
        )

    async def next(self) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = await self.communicator.receive_json_from(TIMEOUT)
            if frame["type"] != "heartbeat":
                self.frames.append(frame)
                return frame

    async def until(self, is_last: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not is_last(frame := await self.next()):
            continue
        return frame

    async def events_until(self, last: str) -> list[str]:
        """Return the types of received events, up to and including one of type `last`."""
        events = []
        while last not in events:
            frame = await self.next()
            if frame["type"] == "event":
                events.append(frame["event"])
        return events

    async def acknowledge(self) -> None:
        """Acknowledge all received frames of all streams."""
        cursors = {each["stream"]: each["cursor"] for each in self.frames if "cursor" in each}
        for stream, cursor in cursors.items():
            await self.send("ack", stream=stream, cursor=cursor)

    async def close_code(self) -> int:
        """Wait until the server closes, and skip earlier frames."""
        while True:
            message = await self.communicator.receive_output(TIMEOUT)
            if message["type"] == "websocket.close":
                return int(message["code"])

    async def disconnect(self) -> None:
        if self.communicator.future.done():
            return  # The application has ended, and a test checks how.
        await self.communicator.disconnect(timeout=TIMEOUT)


@asynccontextmanager
async def connected(cookie: str = "", **more: Any) -> AsyncIterator[Socket]:
    """Open a socket that the server has welcomed, and close it at the end."""
    socket = Socket(headers(cookie=cookie, **more))
    accepted, _ = await socket.shake_hands()
    assert accepted
    welcome = await socket.next()
    assert welcome["type"] == "welcome"
    try:
        yield socket
    finally:
        await socket.disconnect()
