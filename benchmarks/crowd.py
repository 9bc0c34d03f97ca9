"""Hundreds of raw clients of one stream in one event loop, healthy and stopped ones.

They send the same frames as `stream.js` and do nothing else, so that only the server is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import resource
import socket
import time
import urllib.request
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

SUBPROTOCOL = "waybill.v1"
PATIENCE = 120  # Seconds for a handshake, when there are a thousand at once.
LONG = 900  # Seconds for everything else, such as 100 000 events on a busy machine.
PAUSE = 0.1  # Seconds between two attempts of a client, or two requests of an observer.


def allow_files() -> None:
    """Raise the limit of open files for this process and its children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True)
class Address:
    """A stream on a server, and the session of a user who may read it."""

    host: str
    port: int
    cookie: str
    stream: str

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def connect(self) -> connect:
        return connect(
            f"ws://{self.host}:{self.port}/ws/streams/",
            origin=self.url,  # type: ignore[arg-type]
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers={"Cookie": f"sessionid={self.cookie}"},
            proxy=None,
            open_timeout=PATIENCE,
            ping_interval=None,  # The client replies to the server's pings, but sends none.
            compression=None,
        )

    def subscribe(self, cursor: str | None) -> str:
        return json.dumps({"type": "subscribe", "streams": {self.stream: cursor}})


@dataclass
class Client:
    """A client that has the stream up to `offset`. It fails if an event is missing or repeated."""

    address: Address
    offset: int = 0
    cursor: str | None = None
    is_following: bool = False
    acknowledges: bool = True
    pings: bool = False
    pongs: list[float] = field(default_factory=list)  # Seconds until the pong of each ping.
    close_code: int | None = None

    async def follow(self) -> None:
        """Run one connection until it ends or is cancelled."""
        self.close_code = None
        async with self.address.connect() as connection:
            pinging = asyncio.create_task(self._ping(connection)) if self.pings else None
            try:
                await connection.send(self.address.subscribe(self.cursor))
                while True:
                    await self._take(json.loads(await connection.recv()), connection)
            except ConnectionClosed as closed:
                self.close_code = closed.rcvd.code if closed.rcvd else 1006
            finally:
                self.is_following = False
                if pinging:
                    pinging.cancel()

    async def keep_following(self) -> None:
        """Follow the stream, and reconnect at once if the connection ends or fails.

        After a time-out of the handshake, the client waits for a random time.
        """
        ceiling = 0.5
        while True:
            wait = PAUSE
            try:
                await self.follow()
                ceiling = 0.5
            except ConnectionRefusedError:
                pass
            except (OSError, InvalidHandshake, EOFError):
                wait = random.uniform(0, ceiling)
                ceiling = min(2 * ceiling, 30)
            await asyncio.sleep(wait)

    async def _take(self, frame: dict[str, Any], connection: Any) -> None:
        match frame["type"]:
            case "event":
                assert frame["offset"] == self.offset + 1, "Each event arrives once and in order."
                self.offset, self.cursor = frame["offset"], frame["cursor"]
                # The client acknowledges as rarely as the window allows, to save its own time.
                if self.acknowledges and self.offset % 50 == 0:
                    await self._acknowledge(connection)
            case "subscribed":
                assert frame["recovered"], frame
                self.is_following = True
            case "heartbeat" if self.acknowledges:
                await self._acknowledge(connection)
            case "pong":
                self.pongs.append(time.monotonic() - float(frame["id"]))
            case "reset" | "error":
                raise AssertionError(frame)

    async def _acknowledge(self, connection: Any) -> None:
        if self.cursor is not None:
            frame = {"type": "ack", "stream": self.address.stream, "cursor": self.cursor}
            await connection.send(json.dumps(frame))

    async def _ping(self, connection: Any) -> None:
        for _ in itertools.count():
            await connection.send(json.dumps({"type": "ping", "id": str(time.monotonic())}))
            await asyncio.sleep(PAUSE)


class Frozen:
    """A client that subscribes and then reads no more. Its buffers hold only a few kilobytes."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(PATIENCE)
        self._socket.connect((address.host, address.port))
        lines = [
            "GET /ws/streams/ HTTP/1.1",
            f"Host: {address.host}:{address.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL}",
            f"Origin: {address.url}",
            f"Cookie: sessionid={address.cookie}",
        ]
        self._socket.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        response = self._socket.recv(20)
        assert response.startswith(b"HTTP/1.1 101"), response
        text = address.subscribe(None).encode()
        # A masked text frame of at most 125 bytes, with a mask of zeros.
        self._socket.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)

    def close(self) -> None:
        self._socket.close()


@dataclass
class Requests:
    """Sends ordinary requests, one after the other, during a measurement."""

    url: str
    cookie: str
    seconds: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Run until cancelled. After the first response, a missing response is an error."""
        request = urllib.request.Request(self.url, headers={"Cookie": f"sessionid={self.cookie}"})
        while True:
            begin = time.monotonic()
            try:
                await asyncio.to_thread(self._send, request)
            except OSError:
                if self.seconds:
                    raise
            else:
                self.seconds.append(time.monotonic() - begin)
            await asyncio.sleep(PAUSE)

    def _send(self, request: urllib.request.Request) -> None:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            response.read()


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` during the block. If it fails, the block fails at its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def following(clients: Sequence[Client], *, reconnect: bool = False) -> AsyncIterator[None]:
    """Let all clients follow the stream from before the block until its end."""
    async with AsyncExitStack() as stack:
        for each in clients:
            work = each.keep_following() if reconnect else each.follow()
            await stack.enter_async_context(running(work))
        await until(lambda: all(each.is_following for each in clients), "all follow")
        yield


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` is true. Other tasks make it true."""
    try:
        async with asyncio.timeout(LONG):
            while not condition():  # noqa: ASYNC110 - other tasks make it true
                await asyncio.sleep(PAUSE / 10)
    except TimeoutError:
        raise TimeoutError(f"Not within {LONG} s: {what}") from None
