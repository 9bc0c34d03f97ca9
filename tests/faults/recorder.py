"""A client that loses its connection, comes back with its cursors, and keeps what it was sent."""

from __future__ import annotations

import json
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from notifications.protocol.frames import SUBPROTOCOL
from tests.faults.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.sync.client import ClientConnection

ACK_FRAMES = 32
SILENCE = 60.0  # seconds without a frame, three heartbeats: the connection is dead
RETRY = 0.5  # seconds at most before the next attempt


class Place(Protocol):
    """Where streams are served: a web process, or a proxy before several."""

    @property
    def url(self) -> str: ...

    @property
    def websocket_url(self) -> str: ...


class Recorder:
    """Follows `streams` from their beginning, in a thread of its own.

    Unlike `stream.js` it sorts nothing out: an event that is sent twice is twice in its
    record.
    """

    def __init__(self, place: Place, cookie: str, streams: Sequence[str]) -> None:
        self.record = Record()
        self.handshakes = 0
        self.losses: list[str] = []  # Why connections ended, or were not made.
        self.pongs: list[str] = []
        self.heartbeats = 0
        self._place = place
        self._cookie = cookie
        self._cursors: dict[str, str | None] = dict.fromkeys(streams)
        self._subscribed: set[str] = set()
        self._unacked = dict.fromkeys(streams, 0)
        self._connection: ClientConnection | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder")
        self._thread.start()

    @property
    def is_live(self) -> bool:
        """Whether the server has confirmed every stream on the present connection."""
        return self._subscribed == set(self._cursors)

    def ping(self, id_: str) -> None:
        """Ask for a pong; it will be in `pongs`."""
        assert self._connection is not None
        self._connection.send(json.dumps({"type": "ping", "id": id_}))

    def close(self) -> None:
        self._is_over.set()
        if self._connection is not None:
            self._connection.close()
        self._thread.join(30)
        assert not self._thread.is_alive(), "a recorder does not end"

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                with connect(
                    self._place.websocket_url,
                    subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
                    origin=self._place.url,  # type: ignore[arg-type]
                    additional_headers={"Cookie": f"sessionid={self._cookie}"},
                    proxy=None,
                ) as self._connection:
                    self.handshakes += 1
                    self._follow(self._connection)
            except (OSError, WebSocketException) as error:
                self._subscribed.clear()
                if not self._is_over.is_set():
                    self.losses.append(repr(error))
                    self._is_over.wait(random.uniform(0, RETRY))

    def _follow(self, connection: ClientConnection) -> None:
        while not self._is_over.is_set():
            frame = json.loads(connection.recv(SILENCE))
            match frame["type"]:
                case "welcome":
                    self._send("subscribe", streams=self._cursors)
                case "subscribed":
                    self._cursors[frame["stream"]] = frame["cursor"]
                    self._subscribed.add(frame["stream"])
                case "event" | "state":
                    self._cursors[frame["stream"]] = frame["cursor"]
                    self._acknowledge(frame["stream"])
                case "pong":
                    self.pongs.append(frame["id"])
                case "heartbeat":
                    self.heartbeats += 1
            self.record.take(frame)

    def _acknowledge(self, stream: str) -> None:
        self._unacked[stream] += 1
        if self._unacked[stream] >= ACK_FRAMES:
            self._unacked[stream] = 0
            self._send("ack", stream=stream, cursor=self._cursors[stream])

    def _send(self, type_: str, **fields: Any) -> None:
        assert self._connection is not None
        # When it has just been closed, the next recv() says so.
        with suppress(ConnectionClosed):
            self._connection.send(json.dumps({"type": type_, **fields}))
