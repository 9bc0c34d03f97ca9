"""Limits that Daphne enforces before an application sees any data.

Daphne gives an application only complete messages and bodies, and hardly limits them while they
arrive. One client could keep a process busy with WebSocket pings, with fragments of an endless
message or with empty messages. It could also fill memory or disk with data that no application
reads. `apply` replaces Daphne's protocols by ones that refuse this. `config.asgi` calls it, so the
limits hold for every command that serves.

`notifications.delivery.daphne` changes Daphne, too, so that it sends every close code. Every site
with that app needs this, and the app may not import this package. The limits here are the choice of
one site; in another site the proxy may enforce them.
"""

# Twisted and autobahn define the names of the methods.
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

# The limit of control frames and fragments. They cost as much as messages, and no application gets
# them. A browser replies to Daphne's ping every 20 s, and does not fragment small messages. A
# program may ping every few seconds and fragment a message.
EXTRA_AT_ONCE = 200
EXTRA_A_SECOND = 20
# Bytes to read from one socket before other sockets are served. Twisted's default of 64 KiB
# holds 11 000 frames, and all other clients would wait for them.
READ_BYTES = 4096
# A socket is paused when this many of its messages wait for the application.
MAX_QUEUED = 100
QUEUE_SECONDS = 0.05  # How often the queue of a paused socket is checked.
# Bytes that a client may send between its handshake and the response to it.
EARLY_BYTES = MAX_FRAME_BYTES
# More than DATA_UPLOAD_MAX_MEMORY_SIZE, so that Django can refuse a body over its limit with a
# reason. The limit of the proxy, client_max_body_size in config/proxy/nginx.conf, is lower.
BODY_BYTES = 5 * 1024 * 1024

MESSAGES = {1, 2}  # The opcodes of frames that begin a message: text, binary.


class LimitedWebSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket that is closed when its client sends too many frames or too large a message.

    Daphne's option --websocket-max-message-size would also limit messages from the server, and it
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
            # At each call, Autobahn would search all data so far for another handshake.
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
            return  # The application has closed the socket, and reads no more messages.
        super().onMessage(payload, isBinary)
        # One read may bring hundreds of messages. Only the first one over the limit starts a timer.
        if self.application_queue.qsize() >= MAX_QUEUED and not self._is_paused:
            self._is_paused = True
            self.transport.pauseProducing()
            self._resume_later()

    def onClose(self, wasClean: bool, code: int, reason: str) -> None:  # noqa: FBT001, N803 - see above
        """Give the application the code that we sent, even if the client never replied."""
        super().onClose(wasClean, int(CloseCode.BAD_CLIENT) if self._is_refused else code, reason)

    def _resume_later(self) -> None:
        asyncio.get_running_loop().call_later(QUEUE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self.state != self.STATE_OPEN:
            return
        if self.application_queue.qsize() < MAX_QUEUED:
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
    """A request with a body of at most BODY_BYTES. Twisted would buffer any body on disk.

    It is also Twisted's producer of the response, so that it knows when the client reads too
    slowly.
    """

    _is_refused = False
    _body_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Django parses forms. Twisted would parse them, too, in the event loop: that takes two
        # seconds for a form of many parts.
        super().__init__(*args, **{**kwargs, "parsePOSTFormSubmission": False})
        # Cleared while the transport's buffer of 64 KiB is full.
        self._may_send = asyncio.Event()
        self._may_send.set()

    async def wait_until_sent(self) -> None:
        """Wait until there is room in the buffer. Return at once if the client has left."""
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
    """Send a message from the application, and return when there is room for the next one.

    Daphne's own method returns at once, and keeps in memory all data that the client has not read.
    """
    await _original_handle_reply(daphne, protocol, message)
    if isinstance(protocol, LimitedRequest):
        await protocol.wait_until_sent()


_original_handle_reply = server.Server.handle_reply


def apply() -> None:
    """Make Daphne use the classes above for connections that it accepts from now on."""
    http_protocol.WebRequest = LimitedRequest
    WebSocketFactory.protocol = LimitedWebSocket
    server.Server.handle_reply = _send
