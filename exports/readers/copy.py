"""The reader at the database's speed: PostgreSQL writes the lines of the file itself.

The rows of a part are one `COPY (SELECT …) TO STDOUT`, made of the queryset's own SQL. One
message of the protocol is one row, so rows are counted without looking into them.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Func, TextField
from psycopg import ClientCursor, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.sql import Identifier, Literal

from exports.exceptions import WrongCount
from exports.formats import formula
from exports.formats.kinds import Kind
from exports.i18n.message import Message
from exports.readers.projection import protected, selected

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from django.db.models import QuerySet
    from psycopg import Connection
    from psycopg.pq.abc import PGconn

    from exports.formats.base import Options
    from exports.readers.connection import Source
    from exports.readers.plan import Range
    from exports.readers.projection import Reading
    from exports.readers.recount import Recount

    Lines = list[bytes | memoryview]

ROWS, BYTES = 2_000, 256 * 1024  # after either of which lines are given
PATIENCE = 0.25  # seconds without a row after which none is given, so that others get a turn
LONGEST_NAME = 63  # bytes; PostgreSQL cuts what is longer

# JSON has neither character, so no line is quoted and none is escaped.
AS_JSON = "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"

# With the collation "C", as no expression works on a text whose collation is not deterministic.
# A stored value is read more than once: comparisons are cheap, and spare nearly every text the
# regular expressions. The first one is for texts that begin below "A", or with another character
# that may precede a sign; the second one for texts with a delimiter or a line break. A computed
# value is read once, because it would be computed again and might differ.
_BEGINS = formula.PATTERN.replace("'", "''")
_INNER = formula.INNER.replace("'", "''")
_TEXT = '%(expressions)s COLLATE "C"'
# Six searches for a character are cheaper than one regular expression.
_SPLITS = " OR ".join(
    f"strpos(%(expressions)s, {each}) > 0"
    for each in ("','", "';'", "'|'", "E'\\t'", "E'\\n'", "E'\\r'")
)
_REPLACED = f"regexp_replace({_TEXT}, '{_INNER}', '\\1''', 'g')"
_STORED = (
    f"CASE WHEN ({_TEXT} < 'A' OR {_TEXT} >= E'\\u007F' AND NOT"
    f" ({_TEXT} >= E'\\u00C0' AND {_TEXT} < E'\\u1680') AND NOT"
    f" ({_TEXT} >= E'\\u3001' AND {_TEXT} < E'\\uFEFF'))"
    f" AND {_TEXT} ~ '^{_BEGINS}' THEN '''' || {_REPLACED}"
    f" WHEN ({_SPLITS}) AND {_TEXT} ~ '{_INNER}' THEN {_REPLACED}"
    " ELSE %(expressions)s END"
)
_MADE = f"regexp_replace({_REPLACED}, '^({_BEGINS})', '''\\1')"


def can_read(readings: Sequence[Reading], file_format: str) -> bool:
    """Whether PostgreSQL can write all of it."""
    if any(reading.copied is None for reading in readings):
        return False
    if file_format == "jsonl":
        # As names of columns, which cannot be empty either.
        return all(0 < len(each.field.header.encode()) <= LONGEST_NAME for each in readings)
    return file_format == "csv"


def read(
    source: Source,
    queryset: QuerySet[Any],
    readings: Sequence[Reading],
    keys: Range,
    *,
    file_format: str,
    options: Options,
    recount: Recount | None = None,
) -> Generator[Lines]:
    """Yield the rows of `keys` as lines of the file; in key order, if not sorted.

    At times an empty list.

    They are the bytes that the writer would make of what `rows` reads. `recount` compares how
    many they are with the keys that there are at the same moment.
    """
    with source.reading():
        try:
            query = statement(
                source, queryset, readings, keys, file_format=file_format, options=options
            )
        except EmptyResultSet:
            # Its conditions cannot be met.
            if recount is not None:
                recount.compare(0)
            return
        raw: Connection[Any] = source.connection.connection
        # Makes Django's errors of psycopg's, whose SQLSTATE says whether a retry may help.
        with source.connection.wrap_database_errors:
            rows = yield from _copied(raw.pgconn, query)
        if recount is not None:
            recount.compare(rows)


def statement(
    source: Source,
    queryset: QuerySet[Any],
    readings: Sequence[Reading],
    keys: Range,
    *,
    file_format: str,
    options: Options,
) -> bytes:
    """The COPY that gives the rows of `keys`. Raises EmptyResultSet when there can be none."""
    found = queryset.filter(pk__lte=keys.upto).order_by(*(queryset.query.order_by or ["pk"]))
    if keys.after is not None:
        found = found.filter(pk__gt=keys.after)
    make = _json if file_format == "jsonl" else _csv
    return make(source, found, readings, options)


def _csv(
    source: Source, found: QuerySet[Any], readings: Sequence[Reading], options: Options
) -> bytes:
    if options.protect:
        readings = [protected(reading, _protect) for reading in readings]
    select = _bound(source, selected(found, (reading.copied for reading in readings)))
    delimiter = Literal(options.delimiter).as_string(source.connection.connection)
    return f"COPY ({select}) TO STDOUT (FORMAT csv, DELIMITER {delimiter})".encode()


def _json(source: Source, found: QuerySet[Any], readings: Sequence[Reading], _: Options) -> bytes:
    select = _bound(source, selected(found, map(_json_value, readings)))
    raw = source.connection.connection
    names = ", ".join(Identifier(reading.field.header).as_string(raw) for reading in readings)
    # The order is that of the rows it is given. Without the star, it would be a column "line".
    rows = f"SELECT row_to_json(line.*) FROM ({select}) AS line ({names})"  # noqa: S608 - psycopg has quoted it
    return f"COPY ({rows}) TO STDOUT ({AS_JSON})".encode()


def _bound(source: Source, queryset: QuerySet[Any]) -> str:
    """Its SQL with the parameters in it, as psycopg quotes them: COPY takes none apart."""
    return str(ClientCursor(source.connection.connection).mogrify(*source.sql(queryset)))


def _protect(expression: Any, is_stored: bool) -> Func:  # noqa: FBT001 - called by position
    template = _STORED if is_stored else _MADE
    return Func(expression, template=template, output_field=TextField())


def _json_value(reading: Reading) -> Any:
    """What row_to_json writes as the writer does: numbers as numbers, all else as text."""
    match reading.field.kind:
        case Kind.INTEGER | Kind.FLOAT:
            return reading.copied
        case Kind.BOOLEAN:
            return Func(reading.copied, template="(%(expressions)s)::boolean")
        case Kind.NESTED:
            return Func(reading.copied, template="(%(expressions)s)::json")
        case _:
            return reading.reads[0]


def _copied(pgconn: PGconn, query: bytes) -> Generator[Lines, None, int]:
    """Yield the messages of a COPY; return how many. psycopg's own iterator has half the speed.

    Raises WrongCount when PostgreSQL says that it has sent more or fewer.
    """
    pgconn.send_query(query)
    while pgconn.is_busy():
        if not _wait(pgconn):
            yield []
    _expect(pgconn, pgconn.get_result(), ExecStatus.COPY_OUT)
    lines: Lines = []
    rows, room = 0, BYTES
    while True:
        size, data = pgconn.get_copy_data(1)
        if size > 0:
            lines.append(data)
            room -= size
            if room < 0 or len(lines) == ROWS:
                rows += len(lines)
                yield lines
                lines, room = [], BYTES
        elif size == 0:
            if not _wait(pgconn):
                rows += len(lines)
                yield lines
                lines, room = [], BYTES
        else:
            break
    rows += len(lines)
    yield lines
    while (result := pgconn.get_result()) is not None:
        _expect(pgconn, result, ExecStatus.COMMAND_OK)
        if result.command_tuples != rows:
            raise WrongCount(
                Message(
                    "PostgreSQL sent %(sent)s rows, but %(rows)s arrived. Run the export again.",
                    sent=result.command_tuples or 0,
                    rows=rows,
                )
            )
    return rows


def _wait(pgconn: PGconn) -> bool:
    """Wait for the server, not too long. Whether it has said something."""
    ready, _, _ = select.select([pgconn.socket], [], [], PATIENCE)
    if ready:
        pgconn.consume_input()
    return bool(ready)


def _expect(pgconn: PGconn, result: Any, status: ExecStatus) -> None:
    if result is None:
        raise OperationalError(pgconn.get_error_message())
    if result.status != status:
        raise error_from_result(result)
