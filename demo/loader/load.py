"""Load the files in one transaction, so that a load that is killed leaves no rows."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import AutoField

from demo.loader.source import NA
from demo.loader.tables import TABLES, Table
from demo.models import Flight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import Field

BATCH_ROWS = 2_000  # Progress is reported after each batch.


class Report(Protocol):
    def __call__(self, table: str, done: int, total: int) -> None:
        """Report that `done` of `total` rows of a table exist. First called before any write."""


def missing(
    *, flights: int | None = None, tables: Sequence[Table] = TABLES
) -> list[tuple[Table, int, int]]:
    """Return the tables that are not full, with their existing and required numbers of rows.

    `flights` limits the required flights. A table with additional rows counts as full. The call
    takes milliseconds.
    """
    found = []
    for table in tables:
        total = table.source.rows
        if table.model is Flight and flights is not None:
            total = min(flights, total)
        existing = table.model._default_manager.count()
        if existing < total:
            found.append((table, existing, total))
    return found


@transaction.atomic
def load(report: Report, *, flights: int | None = None, tables: Sequence[Table] = TABLES) -> None:
    """Fill the tables that are not full. Raise DamagedFileError before anything is written.

    A load writes all rows or none, in the order of their file. So a table with n rows has the first
    n rows of its file, and a load of more flights continues after them.
    """
    # If two loads run at once, the second one waits here, and then finds no missing rows.
    ContentType.objects.select_for_update().get(app_label="demo", model="flight")
    work = missing(flights=flights, tables=tables)
    for table, _existing, _total in work:
        table.source.verify()
    for table, existing, total in work:
        _fill(table, existing, total, report)


def _fill(table: Table, existing: int, total: int, report: Report) -> None:
    done = existing
    report(table.source.name, done, total)
    rows = islice(_rows(table), existing, total)
    with connection.cursor() as cursor:
        while batch := list(islice(rows, BATCH_ROWS)):
            _write(cursor, table, batch)
            done += len(batch)
            report(table.source.name, done, total)
        # Explicit keys do not advance the sequences of PostgreSQL.
        for statement in connection.ops.sequence_reset_sql(no_style(), [table.model]):
            cursor.execute(statement)


def _fields(table: Table) -> list[Field[Any, Any]]:
    return list(table.model._meta.concrete_fields)


def _write(cursor: Any, table: Table, batch: list[tuple[Any, ...]]) -> None:
    name = connection.ops.quote_name
    columns = ", ".join(name(str(field.column)) for field in _fields(table))
    into = f"{name(table.model._meta.db_table)} ({columns})"
    if connection.vendor == "postgresql":
        # INSERT takes twice as long, because it needs a round trip for every row. Django does not
        # wrap copy(): without wrap_database_errors, it would raise psycopg's errors.
        with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in batch:
                copy.write_row(row)
        return
    values = ", ".join("%s" for _ in _fields(table))
    cursor.executemany(f"INSERT INTO {into} VALUES ({values})", batch)  # noqa: S608 - fixed names


def _rows(table: Table) -> Iterator[tuple[Any, ...]]:
    """Yield all rows of the table's file as database values, in the order of its columns.

    An automatic key is the number of the row, so that it is the same in every database.
    """
    complete_row = table.completion()
    numbered = isinstance(table.model._meta.pk, AutoField)
    columns = [
        (field.attname, _value_of(field)) for field in _fields(table)[1 if numbered else 0 :]
    ]
    for number, row in enumerate(map(complete_row, table.source.read()), start=1):
        values = [value_of(row[column]) for column, value_of in columns]
        yield (number, *values) if numbered else tuple(values)


def _value_of(field: Field[Any, Any]) -> Callable[[str], Any]:
    """Return a function from the text in a file to the database value of this field."""

    # A column has a few thousand different values at most, and each is converted once.
    @lru_cache(maxsize=10_000)
    def value_of(text: str) -> Any:
        if text == NA:
            return None
        return field.get_db_prep_save(field.to_python(text), connection)

    return value_of
