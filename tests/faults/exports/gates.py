"""Rows at which PostgreSQL itself waits, in the middle of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import psycopg

    from tests.services.postgres import Postgres


class Gate:
    """Locks of rows' numbers: who reads such a row (`cargo.LOCKED`) waits until it is open."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._guard: psycopg.Connection[Any] | None = None

    def close(self, *rows: int) -> None:
        name = connection.settings_dict["NAME"]
        self._guard = self._postgres.connect(name)
        self._guard.autocommit = True
        for row in rows:
            self._guard.execute("SELECT pg_advisory_lock(%s::bigint)", [row])

    def waiting(self) -> int:
        """How many queries wait for it."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            return int(cursor.fetchone()[0])

    def wait(self, count: int = 1) -> None:
        """Until so many queries wait."""
        wait_until(lambda: self.waiting() >= count, timeout=60, what=f"{count} wait for a row")

    def wait_for_nobody(self) -> None:
        """Until no query waits any more, though the gate is closed."""
        wait_until(lambda: not self.waiting(), timeout=10, what="all queries have ended")

    def open(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._guard = None
