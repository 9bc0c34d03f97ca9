"""Limits that Daphne enforces before an application sees any data.

Daphne passes on whole messages and whole bodies, and limits little of what comes before. One
client could keep a process busy with WebSocket pings, with fragments of a message that never
ends or with empty messages, and could fill memory or disk with data that no application reads.
`apply` replaces Daphne's protocols by ones that refuse this. `config.asgi` calls it, so the
limits hold for every command that serves. `notifications.delivery.daphne` replaces another method of
Daphne: how it closes a socket.
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

from notifications.protocol.frames import MAX_FRAME_BYTES, CloseCode
from notifications.protocol.rate_limits import Bucket

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

# Control frames and fragments cost as much as messages, and no application ever sees them.
# A browser sends a pong for each of Daphne's pings, which come every 20 s, and does not
# fragment small messages. A program may ping every few seconds, and fragment a message.
EXTRA_AT_ONCE = 200
EXTRA_A_SECOND = 20
# Bytes that are read from one socket before other sockets have their turn. Twisted's default
# of 64 KiB holds 11 000 frames, for which all other clients would wait.
READ_BYTES = 4096
# Messages that may wait for the application. A socket with more of them is paused.
QUEUED = 100
QUEUE_SECONDS = 0.05  # Between two looks at the queue of a paused socket.
# Bytes that a client may send between its handshake and the answer to it.
EARLY_BYTES = MAX_FRAME_BYTES
# More than DATA_UPLOAD_MAX_MEMORY_SIZE, so that Django can refuse a somewhat larger body with a
# reason. client_max_body_size in config/proxy/nginx.conf is less.
BODY_BYTES = 5 * 1024 * 1024

MESSAGES = {1, 2}  # The opcodes of frames that begin a message: text, binary.


class LimitedWebSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket that is closed when its client sends too many frames or too large a message.

    Daphne's own --websocket-max-message-size would also limit messages from the server, and
    ends the connection without a close frame.
    """

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.bufferSize = READ_BYTES
        self.maxMessagePayloadSize = self.maxFramePayloadSize = 0
        self._extra = Bucket(EXTRA_AT_ONCE, EXTRA_A_SECOND, time.monotonic)
        self._message_bytes = 0
        self._has_handshake = self._is_paused = self._is_refused = False

    def onConnect(self, request: ConnectionRequest) -> Any:
        self._has_handshake = True
        return super().onConnect(request)

    def dataReceived(self, data: bytes) -> None:
        if self._has_handshake and self.state == self.STATE_CONNECTING:
            # Autobahn would look for another handshake in it each time that data comes.
            self.data += data
            if len(self.data) > EARLY_BYTES:
                self.dropConnection(abort=True)
        else:
            super().dataReceived(data)

    def onFrameBegin(self) -> None:
        """Check a frame whose head has come, before its payload. Autobahn calls this."""
        super().onFrameBegin()
        frame = self.current_frame
        if frame.opcode in MESSAGES:
            self._message_bytes = 0
        is_extra = frame.opcode not in MESSAGES or self.state != self.STATE_OPEN
        if is_extra and not self._extra.take(1):
            self._refuse("Too many control frames or fragments.")
        elif frame.opcode < 8:  # noqa: PLR2004 - control frames have opcodes from 8 on
            self._message_bytes += frame.length
            if self._message_bytes > MAX_FRAME_BYTES:
                self._refuse(f"A message has {MAX_FRAME_BYTES // 1024} KiB at most.")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: FBT001, N803 - autobahn's
        if self.state != self.STATE_OPEN:
            return  # The application has closed the socket and reads no more.
        super().onMessage(payload, isBinary)
        # One read may hold hundreds of messages: only the first over the limit starts a timer.
        if self.application_queue.qsize() >= QUEUED and not self._is_paused:
            self._is_paused = True
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
            self._is_paused = False
            self.transport.resumeProducing()
        else:
            self._resume_later()

    def _refuse(self, why: str) -> None:
        """Close the socket with the reason `why`. Autobahn ends the connection after a second."""
        logger.warning("%r is closed: %s", self, why)
        self._is_refused = True
        if self.state == self.STATE_OPEN:
            self.transport.pauseProducing()
            self.sendCloseFrame(int(CloseCode.BAD_CLIENT), why.encode())
        else:
            self.dropConnection(abort=True)
        self.data = b""


class LimitedRequest(WebRequest):  # type: ignore[misc]
    """A request whose body has BODY_BYTES at most. Twisted would buffer any body on disk.

    The answer is sent as fast as the client reads: this is the producer of what Twisted sends.
    """

    _is_refused = False
    _body_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted would parse each form in the event loop, for nobody: two seconds for one of parts.
        super().__init__(*args, **{**kwargs, "parsePOSTFormSubmission": False})
        # Not set while more waits to be sent than the transport's buffer is for, 64 KiB.
        self._may_send = asyncio.Event()
        self._may_send.set()

    async def wait_until_sent(self) -> None:
        """Wait while the client does not read. Does not wait for one that has left."""
        if not self.finished:
            await self._may_send.wait()

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message.get("type") == "http.response.start" and self.producer is None:
            self.registerProducer(self, True)  # noqa: FBT003 - Twisted's
        super().handle_reply(message)

    def finish(self) -> None:
        if self.producer is not None:
            self.unregisterProducer()
        super().finish()
        self._may_send.set()

    def connectionLost(self, reason: Any) -> None:
        self._may_send.set()
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        """Called by Twisted when its buffer is full."""
        self._may_send.clear()

    def resumeProducing(self) -> None:
        """Called by Twisted when its buffer is empty again."""
        self._may_send.set()

    def stopProducing(self) -> None:
        """Called by Twisted when the connection is lost."""
        self._may_send.set()

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


async def _send(server: Any, protocol: Any, message: dict[str, Any]) -> None:
    """Daphne's `send` of an application, which returns when there is room for more.

    Its own returns at once, and keeps in memory what a client does not read.
    """
    await _daphnes_send(server, protocol, message)
    if isinstance(protocol, LimitedRequest):
        await protocol.wait_until_sent()


_daphnes_send = daphne.Server.handle_reply


def apply() -> None:
    """Make Daphne use the classes above for connections that it accepts from now on."""
    daphne.HTTPFactory = LimitedHTTPFactory
    daphne.WebSocketFactory = LimitedWebSocketFactory
    daphne.Server.handle_reply = _send
