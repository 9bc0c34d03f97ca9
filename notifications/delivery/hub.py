"""The hub: the only member of the channel layer in a web process.

The hub joins the group of a stream for its first local subscriber, and leaves it after the last
one. It receives each message once, and passes the items to the local subscribers. Every few
seconds, a sweep reads the positions of all followed streams from the database, in one query.
Subscribers that are behind then read the tables. So items arrive without Redis, too, and a lost
message delays them only by seconds.

The listener may stall without an error. So the hub checks it: if sweeps repeatedly find items that
no push has brought, the hub leaves the layer and joins it again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from channels.layers import get_channel_layer
from django.db import Error as DatabaseError

from notifications.conf import conf
from notifications.delivery.connections import Connection, Connections
from notifications.delivery.db_threads import in_database
from notifications.protocol.rate_limits import REFILL_SECONDS, USER_FACTOR, Allowance
from notifications.streams import backlog, push, signed
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item

logger = logging.getLogger(__name__)

LAYER_TIMEOUT = 1.0  # Seconds for which a caller waits for the layer.
RECHECK_AGAIN = 1.0  # Seconds after which a change that was announced early should be stored.
# How many connections recheck rights at once: after a change that concerns all users, and after a
# change that names users. Their sum is less than the default of DATABASE_THREADS, so that a thread
# is left for other reads.
RECHECKS = 2
NAMED_RECHECKS = 1
LOG_SECONDS = 10.0  # Seconds between two log lines about dropped messages.
# The channel is renewed when this many sweeps have found items of a stream that no push has
# brought.
MAX_MISSES = 3


class Subscriber(Protocol):
    """The methods that the hub calls. None may block or await."""

    def on_push(self, stream: str, epoch: str, head: Cursor, items: list[Item]) -> None: ...

    def on_head(self, stream: str, head: Cursor) -> None: ...


class Hub:
    """The hub of one event loop. `current()` returns it."""

    def __init__(self) -> None:
        self._layer: Any = get_channel_layer(conf.CHANNEL_LAYER)
        self._followers: dict[str, set[Subscriber]] = {}
        self.connections = Connections()
        # The keys are user ids as text. Each socket holds a reference, and after its end a timer
        # holds one for a while. So reconnecting does not reset the allowance.
        self._allowances: WeakValueDictionary[str, Allowance] = WeakValueDictionary()
        self.recheck_slots = asyncio.Semaphore(RECHECKS)
        self.named_recheck_slots = asyncio.Semaphore(NAMED_RECHECKS)
        self._joined: set[str] = set()
        self._channel = ""
        self._listener: asyncio.Task[None] | None = None
        self._is_broken = False  # Whether the layer must be reset and joined again.
        # The only task that joins and leaves groups. It runs while there is something to change.
        self._syncing: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None
        # The positions that pushes have brought, and those that the last sweep has found. Comparing
        # them shows whether the listener works.
        self._pushed_heads: dict[str, Cursor] = {}
        self._swept_heads: dict[str, Cursor] = {}
        self._swept_at = 0.0  # The monotonic time of the last sweep, or of the sweeper's start.
        self._missed_sweeps: Counter[str] = Counter()
        # A `poison` message is malformed, a `forged` one has a wrong signature, and a `repeated`
        # one only has positions that earlier messages have reached.
        of_messages = ("received", "poison", "forged", "repeated")
        of_streams = ("sweeps", "caught_up", "renewed", "rechecks")
        self.counters = dict.fromkeys((*of_messages, *of_streams), 0)
        self._logged_at = float("-inf")

    # -- for connections ---------------------------------------------------------

    async def follow(self, stream: str, subscriber: Subscriber) -> None:
        """Pass all new items of `stream` to `subscriber`.

        Return when the hub has joined the group, or after a second if the layer does not respond.
        In that case sweeps find the items. Read the backlog after this call, so that no item is
        missed in between.
        """
        self._followers.setdefault(stream, set()).add(subscriber)
        if self._sweeper is None:
            self._swept_at = time.monotonic()
            self._sweeper = asyncio.create_task(self._sweep(), name="streams-sweep")
        await self.sync_groups()

    async def leave(self, stream: str, subscriber: Subscriber) -> None:
        """Stop following. Safe for a stream that is not followed."""
        self.drop(stream, subscriber)
        await self.sync_groups()

    def drop(self, stream: str, subscriber: Subscriber) -> None:
        """Stop following at once. The hub leaves the group with the next `sync_groups`."""
        followers = self._followers.get(stream, set())
        followers.discard(subscriber)
        if not followers:
            self._followers.pop(stream, None)
        if not self._followers and self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
            for watch in (self._pushed_heads, self._swept_heads, self._missed_sweeps):
                watch.clear()

    def enter(self, connection: Connection, user: object | None, *, is_brief: bool = False) -> None:
        """Count `connection`, and notify it when the rights of `user` (an id) may have changed.

        While the user is not known (None), every change notifies it. This method does not wait for
        the layer: until the hub has joined it, only the check of each minute notices changes. Raise
        TooManyConnectionsError if the user is at a limit. A brief connection ends with the first
        new item.
        """
        self.connections.add(connection, user, is_brief=is_brief)
        self._start_sync()

    def exit(self, connection: Connection) -> None:
        """Stop counting and notifying `connection`. Safe for one that never entered."""
        user = self.connections.discard(connection)
        if user is not None and (allowance := self._allowances.get(user)):
            asyncio.get_running_loop().call_later(REFILL_SECONDS, _release, allowance)

    def allowance_of(self, user: object) -> Allowance:
        """Return the rate limits that all sockets of `user` (an id) in this process share."""
        allowance = self._allowances.get(str(user))
        if allowance is None:
            allowance = self._allowances[str(user)] = Allowance(factor=USER_FACTOR)
        return allowance

    @property
    def lag(self) -> float | None:
        """Seconds by which a sweep is late, or None if no stream is followed. Thread-safe."""
        if self._sweeper is None:
            return None
        return max(time.monotonic() - self._swept_at - conf.SWEEP_SECONDS, 0.0)

    @property
    def streams(self) -> int:
        """The number of followed streams. Thread-safe."""
        return len(self._followers)

    # -- the channel layer -------------------------------------------------------

    async def sync_groups(self) -> None:
        """Join and leave groups until they match the followed streams.

        Wait at most a second, because a layer that does not respond must not delay a handshake.
        """
        await asyncio.wait([self._start_sync()], timeout=LAYER_TIMEOUT)

    def _start_sync(self) -> asyncio.Task[None]:
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync(), name="streams-sync")
        return self._syncing

    async def _sync(self) -> None:
        try:
            while await self._sync_step():
                # Subscribers may have changed during the step, so take another one.
                continue
        # The layer raises any exception of its Redis client. The next sweep tries again.
        except Exception as error:  # noqa: BLE001
            self._is_broken = True  # The failed call may have had a part of its effect.
            logger.warning("The channel layer cannot be joined; sweeps deliver instead: %r", error)
            if not self._wanted():
                # Without subscribers there are no sweeps that would try again.
                with suppress(Exception):
                    await self._reset_layer()

    async def _sync_step(self) -> bool:
        """Join or leave one group, or prepare that. Return False if nothing has to change."""
        wanted = self._wanted()
        has_died = self._listener is not None and self._listener.done()
        if self._is_broken or has_died:
            await self._reset_layer()
        elif wanted and not self._channel:
            self._channel = await self._layer.new_channel()
            self._listener = asyncio.create_task(self._listen(self._channel), name="streams-listen")
            # Let the listener start. If it is cancelled before its start, its channel stays behind.
            await asyncio.sleep(0)
        elif missing := wanted - self._joined:
            stream = missing.pop()
            await self._layer.group_add(stream, self._channel)
            self._joined.add(stream)
        elif extra := self._joined - wanted:
            stream = extra.pop()
            await self._layer.group_discard(stream, self._channel)
            self._joined.discard(stream)
            for watch in (self._pushed_heads, self._swept_heads, self._missed_sweeps):
                watch.pop(stream, None)
        elif self._channel and not wanted:
            self._channel = ""
            await self._stop_listening()
        else:
            return False
        return True

    def _wanted(self) -> set[str]:
        """Return the groups whose messages this process needs."""
        return {*self._followers, *([push.RECHECK_GROUP] if self.connections else [])}

    async def _reset_layer(self) -> None:
        # Our own state is cleared first, so that the next step starts over even if this one fails.
        self._channel, self._joined, self._is_broken = "", set(), False
        try:
            # This also closes the layer's connections. A connection whose peer has vanished accepts
            # commands and delivers nothing. The flush drops all channels of the process, so other
            # consumers of a project need a layer of their own (docs/copy.md).
            await self._layer.flush()
        finally:
            await self._stop_listening()

    async def _stop_listening(self) -> None:
        """Cancel the listener. The layer then drops its channel."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            (end,) = await asyncio.gather(listener, return_exceptions=True)
            if isinstance(end, Exception):
                logger.warning("The listener of the channel layer failed: %r", end)

    async def _listen(self, channel: str) -> None:
        while True:
            try:
                message = await self._layer.receive(channel)
                self._receive(message)
            # Malformed and forged messages are counted and dropped, so that they cannot stop the
            # listener.
            except signed.Forged as error:
                self._drop_message("forged", error)
            except (KeyError, TypeError, ValueError) as error:
                self._drop_message("poison", error)

    def _drop_message(self, kind: str, error: Exception) -> None:
        """Count a dropped message. Only some are logged, because an attacker may send thousands."""
        self.counters[kind] += 1
        if (now := time.monotonic()) < self._logged_at + LOG_SECONDS:
            return
        self._logged_at = now
        logger.warning(
            "Dropped a message of the channel layer. So far %s were malformed and %s forged: %r",
            self.counters["poison"],
            self.counters["forged"],
            error,
        )

    def _receive(self, envelope: dict[str, Any]) -> None:
        message = signed.read(envelope)
        if message["type"] == push.RECHECK:
            self._receive_rights_changed(message)
        else:
            self._receive_push(message)

    def _receive_rights_changed(self, message: dict[str, Any]) -> None:
        users = None if message["users"] is None else frozenset(message["users"])
        self.counters["rechecks"] += 1
        self._rights_changed(users)
        if message["again"]:
            asyncio.get_running_loop().call_later(RECHECK_AGAIN, self._rights_changed, users)

    def _rights_changed(self, users: frozenset[str] | None) -> None:
        """Let the connections of these users (None: all connections) recheck their rights."""
        for connection in self.connections.of(users):
            connection.rights_changed(by_name=users is not None)

    def _receive_push(self, message: dict[str, Any]) -> None:
        stream, epoch = message["stream"], message["epoch"]
        head = Cursor(epoch, int(message["offset"]), int(message["revision"]))
        items = [Item.from_message(stream, epoch, each) for each in message["items"]]
        self.counters["received"] += 1
        before = self._pushed_heads.get(stream)
        same = before is not None and before.epoch == epoch
        if before and same and before.covers(head):
            self.counters["repeated"] += 1
        self._pushed_heads[stream] = before.join(head) if before and same else head
        self._missed_sweeps.pop(stream, None)
        for subscriber in self._followers.get(stream, set()):
            subscriber.on_push(stream, epoch, head, items)

    # -- sweeps ------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(conf.SWEEP_SECONDS)
            self._start_sync()  # Not awaited, so that a hanging layer does not delay the sweep.
            try:
                await self._sweep_once()
            except DatabaseError as error:
                logger.warning("A sweep could not read the database: %r", error)
            # Sweeps must continue after any error. Without them, a lost message would stay lost.
            except Exception:
                logger.exception("A sweep failed.")

    async def _sweep_once(self) -> None:
        """Read the positions of all followed streams, and pass them to the subscribers."""
        heads = await in_database(backlog.heads, list(self._followers))
        self.counters["sweeps"] += 1
        self._swept_at = time.monotonic()
        self._check_listener(heads)
        for stream, head in heads.items():
            for subscriber in self._followers.get(stream, set()):
                subscriber.on_head(stream, head)

    def _check_listener(self, heads: dict[str, Cursor]) -> None:
        """Renew the channel if sweeps repeatedly find items that no push has brought."""
        missed = [
            stream
            for stream, seen in self._swept_heads.items()
            if stream in self._joined
            and stream in self._pushed_heads
            and not self._pushed_heads[stream].covers(seen)
        ]
        for stream in missed:
            self._pushed_heads[stream] = self._swept_heads[stream]
            self._missed_sweeps[stream] += 1
        for stream, head in heads.items():
            # Pushes are expected after the first sweep. Earlier items do not count as missed.
            self._pushed_heads.setdefault(stream, head)
        self._swept_heads = heads
        if missed:
            self.counters["caught_up"] += 1
        if any(times >= MAX_MISSES for times in self._missed_sweeps.values()):
            logger.warning("Pushes do not arrive. Joining the channel layer again.")
            self.counters["renewed"] += 1
            self._missed_sweeps.clear()
            self._is_broken = True  # The next sweep joins again.


def _release(_: Allowance) -> None:
    """Drop the timer's reference. The allowance is full by now, so a new one would be the same."""


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current() -> Hub:
    """Return the hub of the running event loop, and create it at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def hubs() -> list[Hub]:
    """Return the hubs of this process, one for each event loop. Thread-safe."""
    return list(_hubs.values())
