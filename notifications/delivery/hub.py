"""One per process: its only member of the channel layer, and its watch on the database.

The hub joins a stream's group when the first local subscription comes and leaves with the
last. It receives each message once and hands its items to the local subscribers. Every few
seconds it asks the database where all followed streams stand, in one query: whoever is
behind catches up from the table. So everything arrives with Redis switched off, too, and
every loss in the layer is a delay of seconds.

A background listener is what stalls silently in other systems, so this one is watched: when
sweeps keep finding what should have come by push, the hub makes itself a new channel.
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

LAYER_TIMEOUT = 1.0  # seconds that anybody waits for the layer; it goes on without
RECHECK_AGAIN = 1.0  # seconds after which a change that was announced has come to pass
# Connections that are asked for anew at a time: those of everybody, and those of users that
# were named. There are threads left for who reads.
RECHECKS = 2
NAMED_RECHECKS = 1
LOG_SECONDS = 10.0  # between two lines of the log about messages that are dropped
MAX_MISSES = 3  # sweeps that found what no push had brought, while none came for that stream


class Subscriber(Protocol):
    """What the hub needs of a subscriber. No method may block or await."""

    def on_push(self, stream: str, epoch: str, head: Cursor, items: list[Item]) -> None: ...

    def on_head(self, stream: str, head: Cursor) -> None: ...


class Hub:
    """Lives in one event loop. Get it with `current()`."""

    def __init__(self) -> None:
        self._layer: Any = get_channel_layer(conf.CHANNEL_LAYER)
        self._followers: dict[str, set[Subscriber]] = {}
        self.connections = Connections()
        # By the user's id, as text. Each socket keeps a reference, and after its end a timer does:
        # a user who reconnects has the allowance as it was.
        self._allowances: WeakValueDictionary[str, Allowance] = WeakValueDictionary()
        self.recheck_slots = asyncio.Semaphore(RECHECKS)
        self.named_recheck_slots = asyncio.Semaphore(NAMED_RECHECKS)
        self._joined: set[str] = set()
        self._channel = ""
        self._listener: asyncio.Task[None] | None = None
        self._is_broken = False  # What we have of the layer is to be given up for new.
        # The one task that talks to the layer, while there is something to say.
        self._syncing: asyncio.Task[None] | None = None
        self._sweeper: asyncio.Task[None] | None = None
        # What pushes have brought, and what the last sweep saw: the watch on the listener.
        self._pushed_heads: dict[str, Cursor] = {}
        self._swept_heads: dict[str, Cursor] = {}
        self._swept_at = 0.0  # By the monotonic clock: the last sweep, or when they began.
        self._missed_sweeps: Counter[str] = Counter()
        # Of messages: `poison` makes no sense, `forged` has no signature of ours, and `repeated`
        # brings nothing that an earlier one has not brought.
        of_messages = ("received", "poison", "forged", "repeated")
        of_streams = ("sweeps", "caught_up", "renewed", "rechecks")
        self.counters = dict.fromkeys((*of_messages, *of_streams), 0)
        self._logged_at = float("-inf")

    # -- for connections ---------------------------------------------------------

    async def follow(self, stream: str, subscriber: Subscriber) -> None:
        """Hand everything of `stream` to `subscriber` from now on.

        Returns when the layer has been joined, or has not answered for a second: then the
        sweeps deliver until it does. Read the backlog afterwards: nothing falls between.
        """
        self._followers.setdefault(stream, set()).add(subscriber)
        if self._sweeper is None:
            self._swept_at = time.monotonic()
            self._sweeper = asyncio.create_task(self._sweep(), name="streams-sweep")
        await self.sync_groups()

    async def leave(self, stream: str, subscriber: Subscriber) -> None:
        """Stop. Safe to call for a stream that is not followed."""
        self.drop(stream, subscriber)
        await self.sync_groups()

    def drop(self, stream: str, subscriber: Subscriber) -> None:
        """Stop at once. The layer is told by the next `settle`."""
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
        """Tell `connection` when the rights of `user` (an id) may have changed.

        While it is not known who they are, None: whoever's. Does not wait for the layer:
        until it is joined, the check of each minute holds. Raises TooManyConnectionsError if
        the user has as many connections as they may. A brief one ends with the first news.
        """
        self.connections.add(connection, user, is_brief=is_brief)
        self._start_sync()

    def exit(self, connection: Connection) -> None:
        """Stop. The layer is told by the next `settle`. Safe for one that never entered."""
        user = self.connections.discard(connection)
        if user is not None and (allowance := self._allowances.get(user)):
            asyncio.get_running_loop().call_later(REFILL_SECONDS, _release, allowance)

    def allowance_of(self, user: object) -> Allowance:
        """What all sockets of `user` (an id) in this process may send together."""
        allowance = self._allowances.get(str(user))
        if allowance is None:
            allowance = self._allowances[str(user)] = Allowance(factor=USER_FACTOR)
        return allowance

    @property
    def lag(self) -> float | None:
        """Seconds by which the next sweep is late. None: nobody follows anything, none is due.

        May be read from any thread.
        """
        if self._sweeper is None:
            return None
        return max(time.monotonic() - self._swept_at - conf.SWEEP_SECONDS, 0.0)

    @property
    def streams(self) -> int:
        """How many are followed. May be read from any thread."""
        return len(self._followers)

    # -- the channel layer -------------------------------------------------------

    async def sync_groups(self) -> None:
        """Let the layer's membership become what the followers need.

        Waits a second at most: a layer that does not answer must not hold up a handshake.
        """
        await asyncio.wait([self._start_sync()], timeout=LAYER_TIMEOUT)

    def _start_sync(self) -> asyncio.Task[None]:
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync(), name="streams-sync")
        return self._syncing

    async def _sync(self) -> None:
        try:
            while await self._sync_step():
                # Followers may have come and gone meanwhile: look again.
                continue
        # The layer raises what its Redis client raises. The next sweep tries again.
        except Exception as error:  # noqa: BLE001
            self._is_broken = True  # It keeps traces of what it failed to do.
            logger.warning("The channel layer cannot be joined; sweeping: %r", error)
            if not self._wanted():
                # Nobody is left for whom a sweep would try again.
                with suppress(Exception):
                    await self._reset_layer()

    async def _sync_step(self) -> bool:
        """One step towards what the followers need. False if there is none to take."""
        wanted = self._wanted()
        has_died = self._listener is not None and self._listener.done()
        if self._is_broken or has_died:
            await self._reset_layer()
        elif wanted and not self._channel:
            self._channel = await self._layer.new_channel()
            self._listener = asyncio.create_task(self._listen(self._channel), name="streams-listen")
            await asyncio.sleep(0)  # It listens: stopped before, it would leave its channel behind.
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
        """The groups whose messages somebody here needs."""
        return {*self._followers, *([push.RECHECK_GROUP] if self.connections else [])}

    async def _reset_layer(self) -> None:
        # Ours are forgotten first: whatever fails here, the next channel begins anew.
        self._channel, self._joined, self._is_broken = "", set(), False
        try:
            # The layer's connections, too: one whose peer has vanished takes everything and
            # brings nothing. It takes all channels of this process with it, so who else listens
            # to a layer is to have one of their own: docs/copy.md.
            await self._layer.flush()
        finally:
            await self._stop_listening()

    async def _stop_listening(self) -> None:
        """End the listener; the layer then gives up its channel."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            (end,) = await asyncio.gather(listener, return_exceptions=True)
            if isinstance(end, Exception):
                logger.warning("The channel layer could not be listened to: %r", end)

    async def _listen(self, channel: str) -> None:
        while True:
            try:
                message = await self._layer.receive(channel)
                self._receive(message)
            # A message that cannot be understood is counted and dropped, never fatal.
            except signed.Forged as error:
                self._drop("forged", error)
            except (KeyError, TypeError, ValueError) as error:
                self._drop("poison", error)

    def _drop(self, kind: str, error: Exception) -> None:
        """Count a message that is dropped. An attacker may send thousands, so few are logged."""
        self.counters[kind] += 1
        if (now := time.monotonic()) < self._logged_at + LOG_SECONDS:
            return
        self._logged_at = now
        logger.warning(
            "A message over the channel layer makes no sense (so far %s) or is forged (%s): %r",
            self.counters["poison"],
            self.counters["forged"],
            error,
        )

    def _receive(self, given: dict[str, Any]) -> None:
        message = signed.read(given)
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
        """Have the connections of these users, or all, ask again what they may."""
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

    # -- positioning -------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(conf.SWEEP_SECONDS)
            self._start_sync()  # Not waited for: a layer that hangs makes no sweep late.
            try:
                await self._sweep_once()
            except DatabaseError as error:
                logger.warning("A sweep could not read the database: %r", error)
            # Without sweeps a loss in the layer is for good. Whatever it was, go on.
            except Exception:
                logger.exception("A sweep failed.")

    async def _sweep_once(self) -> None:
        """Ask where all followed streams stand, and tell who follows them."""
        heads = await in_database(backlog.heads, list(self._followers))
        self.counters["sweeps"] += 1
        self._swept_at = time.monotonic()
        self._check_listener(heads)
        for stream, head in heads.items():
            for subscriber in self._followers.get(stream, set()):
                subscriber.on_head(stream, head)

    def _check_listener(self, heads: dict[str, Cursor]) -> None:
        """Renew the channel when sweeps keep finding what no push has brought."""
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
            # From here on pushes are expected. What was before is nobody's fault.
            self._pushed_heads.setdefault(stream, head)
        self._swept_heads = heads
        if missed:
            self.counters["caught_up"] += 1
        if any(times >= MAX_MISSES for times in self._missed_sweeps.values()):
            logger.warning("Pushes do not arrive. Joining the channel layer anew.")
            self.counters["renewed"] += 1
            self._missed_sweeps.clear()
            self._is_broken = True  # The next sweep settles it.


def _release(_: Allowance) -> None:
    """Drop the timer's reference. By now the allowance is full again, as a new one would be."""


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current() -> Hub:
    """The hub of the running event loop, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def present() -> list[Hub]:
    """The hubs of this process, for who asks from another thread. A server has one."""
    return list(_hubs.values())
