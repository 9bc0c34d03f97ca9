"""The database connection that rows are read over.

On PostgreSQL, rows are read over a second connection: a COPY keeps its connection busy until the
last row, and a snapshot keeps a transaction open. Progress is written over the first connection. On
SQLite, rows are read in short queries over the common connection. A long query needs its own
connection there too: while it reads an old state of the file, its connection may not write.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, nullcontext, suppress
from itertools import islice
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, cast

import psycopg
from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, OperationalError, connections
from django.db.transaction import atomic
from psycopg.pq import TransactionStatus

from exports.exceptions import TookTooLong
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import QuerySet

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The first three settings decide how values look as text. Compiling with JIT may take a second,
# which it does not save. The server may be idle while the last rows are still being written.
SETTINGS = """
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL extra_float_digits = 1;
SET LOCAL timezone = 'UTC';
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = 0
"""


def interrupt(connection: BaseDatabaseWrapper) -> None:
    """End the running query from another thread. That thread gets an OperationalError.

    Errors are ignored here, because a connection that was lost or just closed reads no more.
    """
    raw: Any = connection.connection
    if raw is None:
        return
    with suppress(psycopg.Error, sqlite3.Error):
        if connection.vendor == "postgresql":
            raw.cancel_safe(timeout=5)
        else:
            raw.interrupt()


@contextmanager
def limited(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """End the block's queries after `seconds`, and raise TookTooLong.

    This is for pages, which can be shown without the result, and for the search in `blame`. A
    savepoint protects the transaction of a request (ATOMIC_REQUESTS) from a query that fails.
    """
    has_ended = Event()

    def end() -> None:
        has_ended.set()
        interrupt(connection)

    timer = Timer(seconds, end)
    timer.start()
    savepoint = atomic(connection.alias) if connection.in_atomic_block else nullcontext()
    try:
        with savepoint:
            yield
    except OperationalError as error:
        if not has_ended.is_set():
            raise
        raise TookTooLong(f"It takes more than {seconds:g} s.") from error
    finally:
        timer.cancel()
        timer.join()  # Otherwise it might end a query after the block.


class Source:
    """A connection that rows are read over. The caller closes it.

    Set `apart` if the caller writes to the database while a query is running. With a `snapshot_id`
    from `Snapshot`, all rows are read as they were at that moment.
    """

    def __init__(self, alias: str, *, apart: bool = False) -> None:
        own = connections[alias]
        self.is_postgres = own.vendor == "postgresql"
        self._is_apart = apart or self.is_postgres
        self.connection: BaseDatabaseWrapper = own.copy() if self._is_apart else own
        self.snapshot_id = ""
        if self.is_postgres:
            self.connection.inc_thread_sharing()  # `read_ahead` uses it in one thread at a time.

    def close(self) -> None:
        if self._is_apart:
            self.connection.close()

    def interrupt(self) -> None:
        """End the running query from another thread. That thread gets an OperationalError."""
        interrupt(self.connection)

    @contextmanager
    def reading(self, *, rows: bool = True, strictly: bool = False) -> Iterator[None]:
        """Read everything in the block as it was at one moment, if the database is PostgreSQL.

        On SQLite this holds only with `strictly`. With `rows`, queries may take as long as they
        need. The block must not write over this connection.
        """
        if not self.is_postgres:
            with self._transaction() if strictly else nullcontext():
                yield
            return
        with self.connection.cursor() as cursor:
            # Django may have reconnected since the last block, so all settings are sent again.
            cursor.execute(f"{BEGIN}; {SETTINGS}")
            try:
                if not settings.USE_TZ:  # Times are then stored in the time zone of the site.
                    cursor.execute("SET LOCAL timezone = %s", [self.connection.timezone_name])
                if rows:
                    # The timeout also counts the time that the server waits for us to take rows.
                    cursor.execute("SET LOCAL statement_timeout = 0")
                if self.snapshot_id:
                    self._use_snapshot(cursor)
                yield
            finally:
                self._end(cursor)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run the block in an SQLite transaction that only reads, so it never waits for locks."""
        if self.connection.in_atomic_block:
            yield
            return
        # atomic() would begin the transaction as the settings say, which may take a write lock.
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")

    def _use_snapshot(self, cursor: Any) -> None:
        """Use the snapshot in this transaction. Raise OperationalError if it no longer exists."""
        try:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [self.snapshot_id])
        except DatabaseError as error:
            # An OperationalError is retried, and the next attempt takes another snapshot.
            raise OperationalError(
                Message("The database snapshot has expired: %(problem)s", problem=error)
            ) from error

    def _end(self, cursor: Any) -> None:
        raw: Any = self.connection.connection
        if raw.closed:
            self.connection.close()
        elif raw.pgconn.transaction_status == TransactionStatus.ACTIVE:
            # The block ended before the last row. Without a cancel, the server would continue the
            # query until it has more rows to send.
            with suppress(psycopg.Error):
                raw.cancel_safe(timeout=5)
            self.connection.close()
        else:
            cursor.execute("ROLLBACK")

    def pages(self, queryset: QuerySet[Any], size: int) -> Iterator[list[Any]]:
        """Yield the rows of a values_list() in pages of `size`, one of which is in memory."""
        compiler: Any = queryset.query.get_compiler(connection=self.connection)
        try:
            results = None
            if self.is_postgres:
                sql, parameters = compiler.as_sql()
                results = self._stream(sql, parameters, size)
            rows = iter(compiler.results_iter(results, chunked_fetch=True, chunk_size=size))
        except EmptyResultSet:
            return  # No row can meet the conditions.
        while page := list(islice(rows, size)):
            yield page

    def _stream(self, sql: str, parameters: Any, size: int) -> Iterator[list[Any]]:
        """Yield rows as the server sends them; it prepares the next ones meanwhile."""
        with self.connection.wrap_database_errors, self.connection.connection.cursor() as cursor:
            rows = cursor.stream(sql, parameters, size=size)
            while chunk := list(islice(rows, size)):
                yield chunk

    def every_nth(self, queryset: QuerySet[Any], step: int) -> tuple[list[Any], int]:
        """Return each `step`-th row of a values_list(), and the number of rows after the last one.

        Only on PostgreSQL, in a block of `reading`. The server does not send the other rows.
        """
        compiler: Any = queryset.query.get_compiler(connection=self.connection)
        found: list[Any] = []
        try:
            sql, parameters = compiler.as_sql()
        except EmptyResultSet:
            return [], 0
        with (
            self.connection.wrap_database_errors,
            psycopg.ClientCursor(self.connection.connection) as cursor,
        ):
            # PostgreSQL should plan for reading all rows, and not only the first ones.
            cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
            cursor.execute(f"DECLARE places NO SCROLL CURSOR FOR {sql}", parameters)
            while True:
                # MOVE 0 does not move, but reports a row.
                passed = cursor.execute(f"MOVE {step - 1} IN places").rowcount if step > 1 else 0
                if passed < step - 1:
                    break
                if not (row := cursor.execute("FETCH 1 IN places").fetchone()):
                    break
                found.append(row)
            cursor.execute("CLOSE places")
        return list(compiler.results_iter([found])), passed

    def count(self, queryset: QuerySet[Any]) -> int:
        """Return how many rows a values_list() has. count() may drop joins that remove rows."""
        try:
            sql, parameters = self.sql(queryset)
        except EmptyResultSet:
            return 0
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM ({sql}) AS counted", parameters)  # noqa: S608 - Django's own SQL
            return int(cursor.fetchone()[0])

    def sql(self, queryset: QuerySet[Any]) -> tuple[str, tuple[Any, ...]]:
        """Return SQL and parameters. Raise EmptyResultSet if no row can meet the conditions."""
        compiler = queryset.query.get_compiler(connection=self.connection)
        return cast("tuple[str, tuple[Any, ...]]", compiler.as_sql())


class Snapshot:
    """Keep a snapshot of a PostgreSQL database, which other connections can read, until closed."""

    def __init__(self, alias: str) -> None:
        self._connection = connections[alias].copy()
        with self._connection.cursor() as cursor:
            cursor.execute(BEGIN)
            # This connection is idle as long as the export takes.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_export_snapshot()")
            self.id: str = cursor.fetchone()[0]

    def close(self) -> None:
        self._connection.close()
