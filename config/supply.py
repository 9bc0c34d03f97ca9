"""Whether this process still gets connections to the database, for `/health/live`.

From inside, a database that is down and a process that has used up its own pool look alike:
no connection comes. A restart cures only the second. So as long as none comes, a thread tries
both ways every few seconds: past the pool, and as every request does. `/health/live` reads
what the thread has found, and waits for nothing.
"""

from __future__ import annotations

import logging
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, Error, connections

from notifications.delivery.db_threads import closes_connections

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 30.0  # An attempt waits ten seconds for the pool: that is three in a row.
PAUSE_SECONDS = 5.0


class Supply:
    """Counts the seconds without a connection in which the server had one to give."""

    def __init__(
        self,
        *,
        server_answers: Callable[[], bool],
        try_pool: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._server_answers, self._try_pool = server_answers, try_pool
        self._clock, self._sleep = clock, sleep
        self.limit_seconds = LIMIT_SECONDS
        self._lock = Lock()
        self._succeeded_at = clock()
        self._starved_since: float | None = None
        # The server, when it was tried last: until it is, it is neither.
        self._is_answering = self._is_away = False
        self._is_watched = self._is_checking = False

    def watch(self) -> None:
        """Look into failures from now on. Only processes that answer `/health/live` need it."""
        self._is_watched = True

    def succeeded(self) -> None:
        """Note that somebody got a connection."""
        with self._lock:
            self._succeeded_at = self._clock()
            self._starved_since = None

    def failed(self, began: float) -> None:
        """Note that an attempt, which began at that time of the clock, gave no connection."""
        with self._lock:
            if self._starved_since is None:
                self._starved_since = max(began, self._succeeded_at)
                self._is_answering = self._is_away = False
            if self._is_watched and not self._is_checking:
                self._is_checking = True
                Thread(target=closes_connections(self.check), name="supply", daemon=True).start()

    def starved_seconds(self) -> float:
        """For how long no connection has come although the server answers; 0 if one comes."""
        with self._lock:
            if self._starved_since is None or not self._is_answering:
                return 0.0
            return self._clock() - self._starved_since

    def check(self) -> None:
        """Try the server and the pool until somebody gets a connection."""
        is_logged = False
        while True:
            is_answering = self._server_answers()
            with self._lock:
                if self._starved_since is not None and (self._is_away or not is_answering):
                    # Up to now there was nothing to get, which is no fault of this process.
                    self._starved_since = self._clock()
                self._is_answering, self._is_away = is_answering, not is_answering
            self._try_pool()
            with self._lock:
                if self._starved_since is None:
                    self._is_checking = False
                    return
            if not is_logged and (seconds := self.starved_seconds()) >= self.limit_seconds:
                is_logged = True
                logger.error("No connection for %.0f s, although the database answers.", seconds)
            self._sleep(PAUSE_SECONDS)


def _server_answers() -> bool:
    """Whether the server gives this process a connection past the pool."""
    backend: Any = connections[DEFAULT_DB_ALIAS]
    try:
        psycopg.connect(**backend.get_connection_params()).close()
    except psycopg.Error:
        return False
    return True


def _try_pool() -> None:
    """Take a connection as every request does. The backend tells `supply` how that went."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        connection.ensure_connection()
    except Error:
        return
    connection.close()


supply = Supply(server_answers=_server_answers, try_pool=_try_pool)
