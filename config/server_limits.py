"""What Daphne is held to, before an application sees anything of it.

Daphne hands over whole messages and whole bodies, and has no limit for much of what comes
before that. One client could keep a process busy with pings of the WebSocket protocol, with
fragments of a message that never ends or with empty messages, and fill its memory or disk
with what nobody reads. `apply` gives Daphne protocols that refuse this; every command that
loads `config.asgi` has them.
"""

# Methods have the names that Twisted and autobahn call them by.
# ruff: noqa: N802

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import daphne.server as daphne  # type: ignore[import-untyped]
from daphne.http_protocol import HTTPFactory, WebRequest  # type: ignore[import-untyped]
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol  # type: ignore[import-untyped]

from notifications.limits import Bucket
from notifications.protocol import MAX_FRAME_BYTES, CloseCode

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

# Control frames and fragments cost as much as messages, and no application ever sees them.
# A browser sends a pong for each of Daphne's pings, which come every 20 s, and does not
# fragment what is so small. A program may ping every few seconds, and fragment a message.
EXTRA_AT_ONCE = 200
EXTRA_A_SECOND = 20
# Read at once from one socket; then it is the turn of others. Twisted's own 64 KiB hold
# 11 000 frames, for which everybody else waits.
READ_BYTES = 4096
# Messages that wait for the application. With more, the socket is not read.
QUEUED = 100
QUEUE_SECONDS = 0.05  # Between two looks at a queue that was full.
# Of what comes after the request line and headers and before the answer to a handshake.
EARLY_BYTES = MAX_FRAME_BYTES
# As client_max_body_size in config/proxy/nginx.conf. Django refuses more than 2.5 MB of a form.
BODY_BYTES = 5 * 1024 * 1024

MESSAGES = {1, 2}  # The opcodes that begin one: text, binary.


class LimitedWebSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket that is closed when its client sends too much, or too large a message.

    Daphne's own --websocket-max-message-size limits what the server sends, too, and ends the
    connection without a close frame.
    """

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.bufferSize = READ_BYTES
        self.maxMessagePayloadSize = self.maxFramePayloadSize = 0
        self._extra = Bucket(EXTRA_AT_ONCE, EXTRA_A_SECOND, time.monotonic)
        self._message_bytes = 0
        self._is_asked = self._is_refused = False

    def onConnect(self, request: ConnectionRequest) -> Any:
        self._is_asked = True
        return super().onConnect(request)

    def dataReceived(self, data: bytes) -> None:
        if self._is_asked and self.state == self.STATE_CONNECTING:
            # Autobahn would look for another handshake in it, as often as some comes.
            self.data += data
            if len(self.data) > EARLY_BYTES:
                self.dropConnection(abort=True)
        else:
            super().dataReceived(data)

    def onFrameBegin(self) -> None:
        """Called when the head of a frame has come, before its payload."""
        super().onFrameBegin()
        frame = self.current_frame
        if frame.opcode in MESSAGES:
            self._message_bytes = 0
        is_extra = frame.opcode not in MESSAGES or self.state != self.STATE_OPEN
        if is_extra and not self._extra.take(1):
            self._refuse("Too many control frames or fragments.")
        if frame.opcode < 8:  # noqa: PLR2004 - those from 8 on are control frames
            self._message_bytes += frame.length
            if self._message_bytes > MAX_FRAME_BYTES:
                self._refuse(f"A message has {MAX_FRAME_BYTES // 1024} KiB at most.")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: FBT001, N803 - autobahn's
        if self.state != self.STATE_OPEN:
            return  # The application has closed, and reads no more.
        super().onMessage(payload, isBinary)
        if self.application_queue.qsize() >= QUEUED:
            self.transport.pauseProducing()
            self._resume_later()

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: FBT001, N803 - see above
        """Let the application know the code that the client was given, also if it never replied."""
        super().onClose(wasClean, int(CloseCode.BAD_CLIENT) if self._is_refused else code, reason)

    def _resume_later(self) -> None:
        asyncio.get_running_loop().call_later(QUEUE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self.state != self.STATE_OPEN:
            return
        if self.application_queue.qsize() < QUEUED:
            self.transport.resumeProducing()
        else:
            self._resume_later()

    def _refuse(self, why: str) -> None:
        """Say why and read no more. Autobahn ends the connection after a second."""
        logger.warning("%r is closed: %s", self, why)
        self._is_refused = True
        if self.state == self.STATE_OPEN:
            self.transport.pauseProducing()
            self.sendCloseFrame(int(CloseCode.BAD_CLIENT), why.encode())
        else:
            self.dropConnection(abort=True)
        self.data = b""


class LimitedRequest(WebRequest):  # type: ignore[misc]
    """A request with a body of BODY_BYTES at most. Twisted writes it to disk, however large."""

    _is_refused = False
    _body_bytes = 0

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if length is not None and length > BODY_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._is_refused:
            return
        if self._body_bytes > BODY_BYTES:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._is_refused:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        self._is_refused = True
        head = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        self.channel.transport.write(head)
        self.channel.loseConnection()


class LimitedHTTPFactory(HTTPFactory):  # type: ignore[misc]
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LimitedRequest
        return protocol


class LimitedWebSocketFactory(WebSocketFactory):  # type: ignore[misc]
    protocol = LimitedWebSocket


def apply() -> None:
    """Let Daphne, when it starts, make its connections of the classes above."""
    daphne.HTTPFactory = LimitedHTTPFactory
    daphne.WebSocketFactory = LimitedWebSocketFactory
