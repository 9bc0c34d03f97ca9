"""Detect a process that gets no connections to the database, for `/health/live`.

If a process gets no connection, either the database is down or the pool is used up. A restart helps
only in the second case. So after a failure a thread tries to connect every few seconds, directly
and through the pool, until the process gets a connection. `/health/live` reads the result without
waiting.
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

LIMIT_SECONDS = 30.0  # Three attempts: each waits ten seconds for the pool.
PAUSE_SECONDS = 5.0


class Supply:
    """Measures for how long the process has got no connection although the server accepts some."""

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
        self._server_is_up: bool | None = None  # None before the first attempt after a failure.
        self._is_watched = self._is_checking = False

    def watch(self) -> None:
        """Investigate failures from now on. Only processes that serve `/health/live` need this."""
        self._is_watched = True

    def succeeded(self) -> None:
        """Note that the process got a connection."""
        with self._lock:
            self._succeeded_at = self._clock()
            self._starved_since = None

    def failed(self, began: float) -> None:
        """Note that an attempt, which began at the clock time `began`, failed."""
        with self._lock:
            if self._starved_since is None:
                self._starved_since = max(began, self._succeeded_at)
                self._server_is_up = None
            if self._is_watched and not self._is_checking:
                self._is_checking = True
                Thread(target=closes_connections(self.check), name="supply", daemon=True).start()

    def starved_seconds(self) -> float:
        """Return the seconds without a connection although the server answers, or 0."""
        with self._lock:
            if self._starved_since is None or not self._server_is_up:
                return 0.0
            return self._clock() - self._starved_since

    def check(self) -> None:
        """Try the server and the pool until the process gets a connection."""
        is_logged = False
        while True:
            is_up = self._server_answers()
            with self._lock:
                was_down = self._server_is_up is False
                if self._starved_since is not None and (was_down or not is_up):
                    # Until now the server was down, which is no fault of this process.
                    self._starved_since = self._clock()
                self._server_is_up = is_up
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
    """Return whether the server accepts a connection that does not come from the pool."""
    backend: Any = connections[DEFAULT_DB_ALIAS]
    try:
        psycopg.connect(**backend.get_connection_params()).close()
    except psycopg.Error:
        return False
    return True


def _try_pool() -> None:
    """Take a connection from the pool. The database backend reports the result to `supply`."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        connection.ensure_connection()
    except Error:
        return
    connection.close()


supply = Supply(server_answers=_server_answers, try_pool=_try_pool)
