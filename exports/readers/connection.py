"""The connection that rows are read over.

On PostgreSQL it is one of its own, beside the one that progress is written to: a COPY keeps
its connection busy until its last row, and a snapshot keeps a transaction open. On SQLite
rows are read in short queries over the common one; a long one wants a connection apart, for
who still reads an old state of the file may not write.
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

# What the text of values depends on, and compiling a query that takes a second: not worth it.
SETTINGS = {
    "datestyle": "ISO, YMD",
    "extra_float_digits": "1",
    "timezone": "UTC",
    "jit": "off",
    # The server may have said all, and we are still at its rows.
    "idle_in_transaction_session_timeout": "0",
}
# It counts the time in which the server waits until we take more rows.
UNLIMITED = "SET LOCAL statement_timeout = 0"
AT_ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
BEGIN = "; ".join(
    [AT_ONE_MOMENT, *(f"SET LOCAL {name} = '{value}'" for name, value in SETTINGS.items())]
)
# Without USE_TZ, moments are by the clock of the site, as everywhere in Django.
ZONE = "SET LOCAL timezone = %s"
# All of its rows will be asked for, so the way to the first ones matters little.
DECLARE = "SET LOCAL cursor_tuple_fraction = 1; DECLARE places NO SCROLL CURSOR FOR "
FETCH = "FETCH 1 IN places"


def interrupt(connection: BaseDatabaseWrapper) -> None:
    """End the query that is under way, from another thread. There it raises OperationalError.

    Here nothing is raised: a connection that is lost, or closed just now, reads no more.
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
    """The queries of the block take so long at most. Raises TookTooLong.

    For questions of people who wait before a page, and who can do without the answer. A query
    that fails or is ended here leaves the request's own transaction as it was (ATOMIC_REQUESTS).
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
        timer.join()  # What comes after the block is not ended.


class Source:
    """Where the rows of one database are read. To be closed.

    With `snapshot_id`, as PostgreSQL gave it to `Snapshot`, all is read as of that moment.
    It is `apart` if something is written while a query goes on.
    """

    def __init__(self, alias: str, *, apart: bool = False) -> None:
        own = connections[alias]
        self.is_postgres = own.vendor == "postgresql"
        self._is_apart = apart or self.is_postgres
        self.connection: BaseDatabaseWrapper = own.copy() if self._is_apart else own
        self.snapshot_id = ""
        if self.is_postgres:
            self.connection.inc_thread_sharing()  # By one thread at a time: see readers.read_ahead.

    def close(self) -> None:
        if self._is_apart:
            self.connection.close()

    def interrupt(self) -> None:
        """End the query that is under way, from another thread. There it raises OperationalError."""
        interrupt(self.connection)

    @contextmanager
    def reading(self, *, rows: bool = True, strictly: bool = False) -> Iterator[None]:
        """All that is read in the block is as it was at one moment, where that is for free.

        While `rows` are read no query is ended because it takes long. With `strictly`, SQLite
        reads at one moment, too. Nothing may be written over this connection in such a block.
        """
        if not self.is_postgres:
            with self._transaction() if strictly else nullcontext():
                yield
            return
        with self.connection.cursor() as cursor:
            # Each time: the connection may be another one than the last time.
            cursor.execute(BEGIN)
            try:
                if not settings.USE_TZ:
                    cursor.execute(ZONE, [self.connection.timezone_name])
                if rows:
                    cursor.execute(UNLIMITED)
                if self.snapshot_id:
                    self._go_back(cursor)
                yield
            finally:
                self._end(cursor)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction of SQLite that only reads, so it waits for nobody and locks nobody out."""
        if self.connection.in_atomic_block:
            yield
            return
        # Not atomic(): it would begin as the settings say, and so as one that writes.
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")

    def _go_back(self, cursor: Any) -> None:
        """To the moment of the snapshot. Raises OperationalError when nobody keeps it any more."""
        try:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", [self.snapshot_id])
        except DatabaseError as error:
            # Of whichever kind PostgreSQL takes it for: another attempt has another moment.
            raise OperationalError(
                Message("The database snapshot has expired: %(problem)s", problem=error)
            ) from error

    def _end(self, cursor: Any) -> None:
        raw: Any = self.connection.connection
        if not raw.closed and raw.pgconn.transaction_status == TransactionStatus.ACTIVE:
            # Left in the middle of what was read. The server would go on with the query, and
            # learn that nobody is there when it has something to say.
            with suppress(psycopg.Error):
                raw.cancel_safe(timeout=5)
            self.connection.close()
        elif raw.closed:
            self.connection.close()
        else:
            cursor.execute("ROLLBACK")

    def pages(self, queryset: QuerySet[Any], size: int) -> Iterator[list[Any]]:
        """The rows of a values_list(), `size` at a time. Only one page is in memory."""
        compiler: Any = queryset.query.get_compiler(connection=self.connection)
        try:
            if self.is_postgres:
                rows = iter(compiler.results_iter(self._stream(compiler, size)))
            else:
                rows = iter(compiler.results_iter(chunked_fetch=True, chunk_size=size))
        except EmptyResultSet:
            return  # Its conditions cannot be met; Django asks no database then.
        while page := list(islice(rows, size)):
            yield page

    def _stream(self, compiler: Any, size: int) -> Iterator[list[Any]]:
        """Rows as the server sends them: it makes the next while these are worked on."""
        # Compiled now, and not with the first row: it may raise EmptyResultSet.
        sql, parameters = compiler.as_sql()
        return self._streamed(sql, parameters, size)

    def _streamed(self, sql: str, parameters: Any, size: int) -> Iterator[list[Any]]:
        with self.connection.wrap_database_errors, self.connection.connection.cursor() as cursor:
            rows = cursor.stream(sql, parameters, size=size)
            while chunk := list(islice(rows, size)):
                yield chunk

    def every(self, queryset: QuerySet[Any], step: int) -> tuple[list[Any], int]:
        """Each `step`-th row of a values_list(), and how many follow the last of them.

        On PostgreSQL, in the block of `reading`: it steps over the others, and sends none.
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
            cursor.execute(DECLARE + sql, parameters)
            while True:
                # MOVE 0 would stay where it is, and count that.
                rest = cursor.execute(f"MOVE {step - 1} IN places").rowcount if step > 1 else 0
                if rest < step - 1 or not (row := cursor.execute(FETCH).fetchone()):
                    break
                found.append(row)
            cursor.execute("CLOSE places")
        return list(compiler.results_iter([found])), rest

    def count(self, queryset: QuerySet[Any]) -> int:
        """How many rows a values_list() has. count() would leave out joins that remove rows."""
        try:
            sql, parameters = self.sql(queryset)
        except EmptyResultSet:
            return 0
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM ({sql}) AS counted", parameters)  # noqa: S608 - Django's own SQL
            return int(cursor.fetchone()[0])

    def sql(self, queryset: QuerySet[Any]) -> tuple[str, tuple[Any, ...]]:
        """Its SQL and parameters. Raises EmptyResultSet when there is nothing to ask for."""
        compiler = queryset.query.get_compiler(connection=self.connection)
        return cast("tuple[str, tuple[Any, ...]]", compiler.as_sql())


class Snapshot:
    """Keeps one moment of a PostgreSQL for all who know its id, until it is closed."""

    def __init__(self, alias: str) -> None:
        self._connection = connections[alias].copy()
        with self._connection.cursor() as cursor:
            cursor.execute(AT_ONE_MOMENT)
            # It does nothing for as long as the export takes.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_export_snapshot()")
            self.id: str = cursor.fetchone()[0]

    def close(self) -> None:
        self._connection.close()
