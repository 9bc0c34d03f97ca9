"""Limits that Daphne enforces before an application sees any data.

Daphne passes on whole messages and whole bodies, and limits little of what comes before. One
client could keep a process busy with WebSocket pings, with fragments of a message that never
ends or with empty messages, and could fill memory or disk with data that no application reads.
`apply` replaces Daphne's protocols by ones that refuse this. `config.asgi` calls it, so the
limits hold for every command that serves.

`notifications.delivery.daphne` changes Daphne as well: it makes close codes arrive. Every site that
has the app needs that, and the app may not import this package. The limits here are the choice of a
site, whose proxy may enforce them instead.
"""

# Methods have the names that Twisted and autobahn call them by.
# ruff: noqa: N802

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from daphne import http_protocol, server  # type: ignore[import-untyped]
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol  # type: ignore[import-untyped]

from notifications.protocol.frames import MAX_FRAME_BYTES, CloseCode
from notifications.protocol.rate_limits import Bucket

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

# Control frames and fragments cost as much as messages, and no application ever sees them. A
# browser answers Daphne's ping every 20 s, and does not fragment small messages. A program may
# ping every few seconds, and fragment a message.
EXTRA_AT_ONCE = 200
EXTRA_A_SECOND = 20
# Bytes to read from one socket before other sockets are served. Twisted's default of 64 KiB
# holds 11 000 frames, and all other clients would wait for them.
READ_BYTES = 4096
# A socket is paused when so many of its messages wait for the application.
QUEUED = 100
QUEUE_SECONDS = 0.05  # How often the queue of a paused socket is checked.
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
            # With each piece of data, Autobahn would search all of it for another handshake.
            self.data += data
            if len(self.data) > EARLY_BYTES:
                self.dropConnection(abort=True)
        else:
            super().dataReceived(data)

    def onFrameBegin(self) -> None:
        """Check a frame before its payload arrives. Autobahn calls this after the frame's head."""
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
                self._refuse(f"A message can have {MAX_FRAME_BYTES // 1024} KiB at most.")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: FBT001, N803 - autobahn's
        if self.state != self.STATE_OPEN:
            return  # The application has closed the socket and reads no more.
        super().onMessage(payload, isBinary)
        # One read may hold hundreds of messages. Only the first over the limit starts a timer.
        if self.application_queue.qsize() >= QUEUED and not self._is_paused:
            self._is_paused = True
            self.transport.pauseProducing()
            self._resume_later()

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: FBT001, N803 - see above
        """Give the application the code that was sent, even if the client never replied."""
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
        """Close the socket with the reason `why`. Autobahn drops the connection after a second."""
        logger.warning("%r is closed: %s", self, why)
        self._is_refused = True
        if self.state == self.STATE_OPEN:
            self.transport.pauseProducing()
            self.sendCloseFrame(int(CloseCode.BAD_CLIENT), why.encode())
        else:
            self.dropConnection(abort=True)
        self.data = b""


class LimitedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    """A request whose body has BODY_BYTES at most. Twisted would buffer any body on disk.

    It is also Twisted's producer of the response, so it learns how fast the client reads.
    """

    _is_refused = False
    _body_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Django parses forms. Twisted would do so first, in the event loop: a form of many parts
        # takes it two seconds.
        super().__init__(*args, **{**kwargs, "parsePOSTFormSubmission": False})
        # Cleared while the transport's buffer of 64 KiB is full.
        self._may_send = asyncio.Event()
        self._may_send.set()

    async def wait_until_sent(self) -> None:
        """Wait until the client reads on. Return at once if it has left."""
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
        """Note that Twisted's buffer is full."""
        self._may_send.clear()

    def resumeProducing(self) -> None:
        """Note that Twisted's buffer is empty again, or that the connection is lost."""
        self._may_send.set()

    stopProducing = resumeProducing  # noqa: N815 - Twisted's name

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


async def _send(daphne: Any, protocol: Any, message: dict[str, Any]) -> None:
    """Send a message of the application, and return when there is room for the next.

    Daphne's own method returns at once, and keeps in memory what a client does not read.
    """
    await _daphnes_send(daphne, protocol, message)
    if isinstance(protocol, LimitedRequest):
        await protocol.wait_until_sent()


_daphnes_send = server.Server.handle_reply


def apply() -> None:
    """Make Daphne use the classes above for connections that it accepts from now on."""
    http_protocol.WebRequest = LimitedRequest
    WebSocketFactory.protocol = LimitedWebSocket
    server.Server.handle_reply = _send
