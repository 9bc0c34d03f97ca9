"""The open connections of this process (sockets, server-sent events, long polls) and their limits.

- A user may have NOTIFICATIONS_MAX_CONNECTIONS of them at once.
- A user may open them only at a limited rate. Refused attempts count, and so do connections that
  close at once.
- All connections together leave enough file descriptors for pages, health checks and the database.

Everything here runs in the event loop and does no I/O, so a refusal costs no database work.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary, WeakSet

from django.utils.translation import gettext_noop

from notifications.api import known_users
from notifications.conf import conf
from notifications.delivery import descriptors
from notifications.protocol.rate_limits import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# A user may open OPENINGS connections in a burst, and then the same number in every SECONDS. After
# a restart all clients of a user reconnect, some of them twice. Later, each page load opens one.
OPENINGS = 100
OPENINGS_FACTOR = 5  # Or this many times the user's limit of connections, if that is more.
SECONDS = 50

RETRY_SECONDS = 10  # A refused client should try again after this time.
LOG_SECONDS = 60  # Refusals are logged at most once in this time.
CLEANUP_USERS = 10_000  # When this many users have a record, unneeded records are deleted.


class Connection(Protocol):
    """A connection of a user who may lose the right to it."""

    def rights_changed(self, *, by_name: bool) -> None:
        """Recheck the user's rights. Must not block.

        `by_name`: the change concerns this user, and not all users.
        """


class TooManyConnectionsError(Exception):
    """A connection is refused. `message` is the reason in English; `values` are its parameters."""

    status = 429

    def __init__(self, message: str, **values: int) -> None:
        super().__init__(message % values)  # For close frames and logs.
        self.message = message
        self.values = values


class NoRoomError(TooManyConnectionsError):
    """The process cannot accept a connection of any user."""

    status = 503

    def __init__(self) -> None:
        super().__init__(gettext_noop("This server cannot accept more connections right now."))


class Connections:
    """The connections of one event loop. Use the instance of the hub."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Weak references, because a response that is never iterated over does not report its end.
        # The user is None until it is known.
        self._users: WeakKeyDictionary[Connection, str | None] = WeakKeyDictionary()
        self._records: dict[str, _UserRecord] = {}
        self._next_cleanup = CLEANUP_USERS  # The number of records that causes it.
        self._log_lines = Bucket(1, 1 / LOG_SECONDS, clock)
        self._other_descriptors = descriptors.limit() - descriptors.left()
        self.refused = 0

    def __len__(self) -> int:
        return len(self._users)

    def ensure_room(self) -> None:
        """Raise NoRoomError if the process could run out of descriptors."""
        # The estimate is too high while many connections open and close, so they are also counted.
        left_by_count = descriptors.limit() - self._other_descriptors - len(self)
        if min(descriptors.left(), left_by_count) < descriptors.reserve():
            raise self._count_refusal(NoRoomError(), "an unknown user")

    @property
    def is_overrun(self) -> bool:
        """Whether more than half of the reserve is used, by refused sockets that are still open."""
        return descriptors.left() < descriptors.reserve() // 2

    def ensure_allowed(self, credentials: bytes) -> None:
        """Raise TooManyConnectionsError if these credentials are of a known user at a limit."""
        if (user := known_users.find(credentials)) is not None:
            self._ensure_allowed(user)

    def add(self, connection: Connection, user: object | None, *, is_brief: bool = False) -> None:
        """Count `connection` for `user` (an id), or for no user yet.

        Raise TooManyConnectionsError, and count nothing, if the user is at a limit. A brief
        connection ends with the first new item, so there is no limit on how fast a user may open
        brief ones.
        """
        name = None if user is None else str(user)
        if name is not None and connection not in (record := self._record(name)).connections:
            self._ensure_allowed(name)
            record.add(connection, is_brief=is_brief)
        self._users[connection] = name

    def discard(self, connection: Connection) -> str | None:
        """Stop counting `connection`, and return its user. Safe if it was never added."""
        user = self._users.pop(connection, None)
        if user is not None and (record := self._records.get(user)):
            record.connections.discard(connection)
        return user

    def of(self, users: frozenset[str] | None) -> list[Connection]:
        """Return the connections of `users` (None: all), and those whose user is not known yet."""
        return [
            connection
            for connection, user in list(self._users.items())
            if users is None or user is None or user in users
        ]

    def _ensure_allowed(self, user: str) -> None:
        if refusal := self._record(user).refusal():
            raise self._count_refusal(refusal, f"user {user}")

    def _count_refusal(
        self, refusal: TooManyConnectionsError, user: str
    ) -> TooManyConnectionsError:
        """Count and log `refusal`, and return it."""
        self.refused += 1
        if self._log_lines.take(1):
            logger.warning(
                "Connections are refused (%d so far). The latest, of %s: %s",
                self.refused,
                user,
                refusal,
            )
        return refusal

    def _record(self, user: str) -> _UserRecord:
        if user not in self._records:
            if len(self._records) >= self._next_cleanup:
                self._records = {
                    name: record for name, record in self._records.items() if record.is_needed
                }
                self._next_cleanup = 2 * len(self._records) + CLEANUP_USERS
            self._records[user] = _UserRecord(self._clock)
        return self._records[user]


class _UserRecord:
    """The connections of one user, and how fast they may open more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.connections: WeakSet[Connection] = WeakSet()
        self._count = max(OPENINGS, OPENINGS_FACTOR * conf.MAX_CONNECTIONS)
        self._openings = Bucket(self._count, self._count / SECONDS, clock)

    @property
    def is_needed(self) -> bool:
        """Whether the user could open more connections if this record were deleted."""
        return bool(self.connections) or not self._openings.is_full

    def add(self, connection: Connection, *, is_brief: bool) -> None:
        if not is_brief:
            self._openings.take(1)
        self.connections.add(connection)

    def refusal(self) -> TooManyConnectionsError | None:
        """Return why the user may not open another connection now."""
        limit: int = conf.MAX_CONNECTIONS
        if not limit:
            return None
        if len(self.connections) >= limit:
            self._openings.take(1)  # Refused attempts count, too.
            return TooManyConnectionsError(
                gettext_noop("You have reached the limit of %(limit)d open connections."),
                limit=limit,
            )
        if not self._openings.has(1):
            return TooManyConnectionsError(
                gettext_noop(
                    "Too many connections: you can connect at most %(count)d times in "
                    "%(seconds)d s."
                ),
                count=self._count,
                seconds=SECONDS,
            )
        return None
