"""The WebSocket consumer: it receives frames and sends items. `subscription` decides what to send.

Each socket has several tasks. Channels' own task receives frames, one at a time. The pump is the
only task that sends items; it sleeps until another task wakes it. The heartbeat task sends
heartbeats, and closes the socket if the client no longer acknowledges. Two tasks recheck the user's
rights (`recheck`): one after a change that names the user, the other each minute and after a change
that concerns all users.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from autobahn.exception import Disconnected  # type: ignore[import-untyped]
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError
from pydantic import ValidationError

from notifications.api import credentials as api_credentials
from notifications.api import known_users
from notifications.conf import conf
from notifications.delivery import handshake, hub, recheck
from notifications.delivery.connections import TooManyConnectionsError
from notifications.delivery.db_threads import in_database
from notifications.delivery.subscription import Read, Send, Subscription
from notifications.protocol import frames
from notifications.protocol.frames import CloseCode
from notifications.protocol.rate_limits import Allowance
from notifications.streams import access, backlog
from notifications.streams.cursor import Cursor, cursor_or_start

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from django.contrib.auth.models import User

    from notifications.streams.items import Item

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # The pause after a read that failed.


class StreamConsumer(AsyncWebsocketConsumer):
    """The connection of a browser or a program to its streams. See docs/protocol.md."""

    # Only the hub is a member of the channel layer. Without this alias, Channels would create a
    # channel for each socket.
    channel_layer_alias = "no layer of its own"
    user: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hub = hub.current()
        self._followed: set[str] = set()  # The streams that the hub follows for this socket.
        self._subscriptions: dict[str, Subscription] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._allowance = Allowance()
        self._bad_frames = 0
        # A change that names this user has a task and slots of its own, so that it need not wait
        # until all other connections have been rechecked.
        self._named_recheck = recheck.Recheck(self._recheck, self._hub.named_recheck_slots)
        self._routine_recheck = recheck.Recheck(
            self._recheck, self._hub.recheck_slots, recheck.RECHECK_SECONDS
        )
        self._is_accepted = False
        self._is_closed = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Channels does not call disconnect() when a handler raises or the server stops.
        try:
            await super().__call__(scope, receive, send)
        except DatabaseError as error:
            logger.warning("Closing a socket, because the database does not respond: %r", error)
            # A client takes a refused handshake for a missing sign-in or a blocked transport. So
            # the socket is accepted, and then closed with the right code.
            if not self._is_accepted:
                await self.accept(frames.SUBPROTOCOL)
            await self.close(CloseCode.FAILED, "The database does not respond.")
        finally:
            await self._clean_up()

    async def dispatch(self, message: Any) -> None:
        # For every message, Channels' own method waits for a shared thread that closes old database
        # connections. Here only the threads of `db_threads` have connections.
        await getattr(self, get_handler_name(message))(message)

    async def _clean_up(self) -> None:
        # Everything before the first await always runs. A server that stops may cancel what
        # follows.
        self._hub.exit(self)
        for stream in list(self._followed):
            self._leave(stream)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hub.sync_groups()

    # -- handshake ---------------------------------------------------------------

    async def connect(self) -> None:
        offered = self.scope.get("subprotocols", [])
        if not handshake.origin_is_allowed(self.scope) or frames.SUBPROTOCOL not in offered:
            await self.close()  # Before accept(): the browser sees HTTP 403.
            return
        try:
            user = await self._identify()
        except TooManyConnectionsError as refusal:
            await self._reject(refusal)
            return
        if user is None:
            await self.close()
            return
        self.user = user
        self._allowance = Allowance(shared=self._hub.allowance_of(user.pk))
        await self.accept(frames.SUBPROTOCOL)
        self._is_accepted = True
        await self._reply(
            frames.Welcome(
                # The frame allows an integer or text, so a UUID is sent as text.
                user=user.pk if isinstance(user.pk, int) else str(user.pk),
                streams=await in_database(access.streams_of, user),
                window=conf.WINDOW,
                heartbeat=conf.HEARTBEAT_SECONDS,
            )
        )
        self._tasks = [
            asyncio.create_task(self._guard(self._pump()), name="stream-pump"),
            asyncio.create_task(self._guard(self._heartbeat()), name="stream-heartbeat"),
            asyncio.create_task(
                self._guard(self._named_recheck.run()), name="stream-recheck-named"
            ),
            asyncio.create_task(self._guard(self._routine_recheck.run()), name="stream-recheck"),
        ]

    async def _identify(self) -> User | None:
        """Return the user, and count this socket as one of their connections."""
        connections = self._hub.connections
        # The socket enters without a user first. Otherwise it would miss a change of rights that
        # arrives while the user is looked up.
        self._hub.enter(self, None)
        connections.ensure_room()
        credentials = api_credentials.credentials(self.scope)
        connections.ensure_allowed(credentials)
        user = await in_database(handshake.admit, self.scope)
        if user is not None:
            known_users.remember(credentials, user.pk)
            self._hub.enter(self, user.pk)
        return user

    async def _reject(self, refusal: TooManyConnectionsError) -> None:
        # Only an accepted socket can be closed with a code, but it keeps its file descriptor until
        # the client responds. If too many sockets wait for that, the client gets HTTP 403 instead.
        if not self._hub.connections.is_overrun:
            await self.accept(frames.SUBPROTOCOL)
        await self.close(CloseCode.TRY_LATER, str(refusal))

    # -- frames from the client --------------------------------------------------

    async def receive(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,  # noqa: ARG002 - Channels' signature
    ) -> None:
        if self._is_closed:
            return  # The client sent this frame before it got the close frame.
        size = 0 if text_data is None else len(text_data.encode())
        if text_data is None or size > frames.MAX_FRAME_BYTES:
            limit = frames.MAX_FRAME_BYTES // 1024
            await self.close(CloseCode.BAD_CLIENT, f"Frames are JSON text of at most {limit} KiB.")
            return
        if refusal := self._allowance.frame(size):
            await self._refuse(refusal)
            return
        try:
            frame = frames.client_frames.validate_json(text_data)
        except ValidationError as error:
            await self._refuse(frames.describe_error(error))
            return
        match frame:
            case frames.Subscribe():
                await self._subscribe(frame)
            case frames.Unsubscribe():
                for stream in frame.streams:
                    self._leave(stream)
                await self._hub.sync_groups()
            case frames.Ack():
                self._acknowledge(frame, size)
            case frames.Ping():
                await self._reply(frames.Pong(id=frame.id))

    async def _refuse(self, detail: str, stream: str | None = None) -> None:
        self._bad_frames += 1
        if self._bad_frames >= frames.MAX_BAD_FRAMES:
            await self.close(CloseCode.BAD_CLIENT, "Too many invalid frames.")
            return
        await self._error("bad_frame", detail, stream)

    async def _subscribe(self, frame: frames.Subscribe) -> None:
        if refusal := self._allowance.names(len(frame.streams)):
            await self._refuse(refusal)
            return
        user = self.user
        granted = await self._grant(frame, user)
        # The hub follows all streams before any backlog is read, so that no item is missed in
        # between.
        self._followed.update(granted)
        await asyncio.gather(*(self._hub.follow(stream, self) for stream in granted))
        self._subscriptions.update(granted)
        if (
            self.user is not user
            or self._named_recheck.is_running
            or self._routine_recheck.is_running
        ):
            # A recheck that ran meanwhile did not include these streams.
            self._named_recheck.request()
        self._wake.set()

    async def _grant(self, frame: frames.Subscribe, user: User) -> dict[str, Subscription]:
        """Return subscriptions to the streams of `frame`. Send an error for each refused stream."""
        granted: dict[str, Subscription] = {}
        readable = await in_database(access.readable, user, frame.streams)
        for stream, cursor in frame.streams.items():
            self._leave(stream)
            if len(self._subscriptions) + len(granted) >= frames.MAX_STREAMS:
                await self._error(
                    "too_many_streams",
                    f"A socket follows at most {frames.MAX_STREAMS} streams.",
                    stream,
                )
            elif stream not in readable:
                await self._forbid(stream)
            else:
                try:
                    after = cursor_or_start(cursor)
                except ValueError as error:
                    await self._refuse(str(error), stream)
                else:
                    granted[stream] = Subscription(stream, after, window=conf.WINDOW)
        return granted

    def _leave(self, stream: str) -> None:
        self._subscriptions.pop(stream, None)
        self._followed.discard(stream)
        self._hub.drop(stream, self)

    def _acknowledge(self, frame: frames.Ack, size: int) -> None:
        subscription = self._subscriptions.get(frame.stream)
        # A late ack is not an error: the stream may have been unsubscribed or reset meanwhile.
        with suppress(ValueError):
            if subscription is not None and subscription.on_ack(Cursor.parse(frame.cursor)):
                self._allowance.useful_ack(size)
                self._wake.set()

    # -- calls from the hub, which wake the pump or a recheck ------------------------

    def on_push(self, stream: str, epoch: str, head: Cursor, items: list[Item]) -> None:
        if subscription := self._subscriptions.get(stream):
            subscription.on_push(epoch, head, items)
            self._wake.set()

    def on_head(self, stream: str, head: Cursor) -> None:
        subscription = self._subscriptions.get(stream)
        if subscription is not None and subscription.on_head(head):
            self._wake.set()

    def rights_changed(self, *, by_name: bool) -> None:
        (self._named_recheck if by_name else self._routine_recheck).request()

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        if self._is_closed:
            return  # Several tasks may close at once.
        self._is_closed = True
        # Daphne's WebSocket library accepts an int, but no IntEnum.
        await super().close(None if code is None else int(code), reason)

    # -- to the client -------------------------------------------------------------

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`. If it fails, close the socket, so that the client notices."""
        try:
            await work
        except Exception:
            logger.exception("A task of a socket failed; the client will reconnect.")
            await self.close(CloseCode.FAILED)

    async def _pump(self) -> None:
        """Read and send items whenever `_wake` is set. No other task sends items."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                for subscription in list(self._subscriptions.values()):
                    await self._drain(subscription)
            except DatabaseError as error:
                logger.warning("A stream could not be read; trying again: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
                for subscription in self._subscriptions.values():
                    subscription.on_read_failed()
                self._wake.set()

    async def _drain(self, subscription: Subscription) -> None:
        while step := subscription.next_step(time.monotonic()):
            if self._subscriptions.get(subscription.stream) is not subscription:
                return  # The client has meanwhile unsubscribed, or subscribed again.
            match step:
                case Send(item, cursor):
                    await self._send(item.frame(cursor))
                case Read():
                    await self._read(subscription, step)

    async def _read(self, subscription: Subscription, step: Read) -> None:
        is_first = subscription.position is None
        page = await in_database(backlog.read, subscription.stream, step.after, step.limit)
        if self._subscriptions.get(subscription.stream) is not subscription:
            return  # The client has meanwhile unsubscribed, or subscribed from another cursor.
        if is_first:
            await self._reply(
                frames.Subscribed(
                    stream=subscription.stream,
                    cursor=str(page.start),
                    recovered=page.reset is None,
                )
            )
        if page.reset:
            await self._reply(frames.Reset(stream=subscription.stream, reason=page.reset))
        subscription.on_read(page)

    async def _heartbeat(self) -> None:
        """Send heartbeats; close clients that no longer acknowledge. Never waits for the database."""
        while True:
            await asyncio.sleep(conf.HEARTBEAT_SECONDS)
            now = time.monotonic()
            if any(
                since is not None and now - since > conf.STALLED_SECONDS
                for since in (each.stalled_since() for each in self._subscriptions.values())
            ):
                await self.close(CloseCode.STALLED, CloseCode.STALLED.why)
                return
            heads = {
                name: str(each.sent) for name, each in self._subscriptions.items() if each.sent
            }
            await self._reply(frames.Heartbeat(heads=heads))

    async def _recheck(self) -> None:
        """Check who the user is and which streams they may read. Leave the other streams."""
        if self._is_closed:
            return
        checked = dict(self._subscriptions)
        user = await in_database(handshake.authenticate, self.scope)
        if user is None or user.pk != self.user.pk:
            await self.close(CloseCode.SIGNED_OUT, "You are signed out.")
            return
        self.user = user  # A fresh object, because Django caches permissions on the old one.
        readable = await in_database(access.readable, user, list(checked))
        for stream in checked.keys() - readable:
            # A subscription that was granted meanwhile was checked when it was granted.
            if self._subscriptions.get(stream) is checked[stream]:
                self._leave(stream)
                await self._forbid(stream)
        await self._hub.sync_groups()

    async def _forbid(self, stream: str) -> None:
        await self._error("forbidden", "You may not read this stream.", stream)

    async def _error(
        self,
        code: Literal["forbidden", "bad_frame", "too_many_streams"],
        detail: str,
        stream: str | None = None,
    ) -> None:
        await self._reply(frames.ErrorFrame(code=code, detail=detail, stream=stream))

    async def _reply(self, frame: frames.ServerFrame) -> None:
        await self._send(frame.model_dump_json())

    async def _send(self, text: str) -> None:
        if self._is_closed:
            return  # The server refuses frames after a close frame.
        try:
            await self.send(text_data=text)
        except Disconnected:
            self._is_closed = True  # The client is closing. It resumes from its cursor.
