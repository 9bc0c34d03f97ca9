"""The fast reader: PostgreSQL writes the lines of the file itself.

The rows of a part are one `COPY (SELECT …) TO STDOUT`, made from the SQL of the queryset. Each
protocol message is one row, so rows are counted without parsing them.
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
from exports.readers.projection import selected

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

MAX_LINES, MAX_BYTES = 2_000, 256 * 1024  # Lines are yielded at either limit.
# After this many seconds without a row, an empty list is yielded, so that the caller can stop.
WAIT_SECONDS = 0.25
MAX_NAME_BYTES = 63  # PostgreSQL cuts longer names.

# JSON contains neither character, so no line is quoted or escaped.
AS_JSON = "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'"

# SQL that protects text from being run as a formula, like `formula.protect`. The collation is "C",
# because regular expressions do not work with nondeterministic collations.
#
# A stored value may be evaluated more than once, so cheap comparisons come first and spare nearly
# every text the regular expressions. PATTERN is needed for texts that begin below "A", or with
# another character that may come before a sign; INNER for texts with a delimiter or a line break.
# A computed value is evaluated once: a second evaluation costs time and may differ.
_BEGINS = formula.PATTERN.replace("'", "''")
_INNER = formula.INNER.replace("'", "''")
_TEXT = '%(expressions)s COLLATE "C"'
# Six searches for a character are cheaper than one regular expression.
_HAS_DELIMITER = " OR ".join(
    f"strpos(%(expressions)s, {each}) > 0"
    for each in ("','", "';'", "'|'", "E'\\t'", "E'\\n'", "E'\\r'")
)
_REPLACED = f"regexp_replace({_TEXT}, '{_INNER}', '\\1''', 'g')"
_STORED = (
    f"CASE WHEN ({_TEXT} < 'A' OR {_TEXT} >= E'\\u007F' AND NOT"
    f" ({_TEXT} >= E'\\u00C0' AND {_TEXT} < E'\\u1680') AND NOT"
    f" ({_TEXT} >= E'\\u3001' AND {_TEXT} < E'\\uFEFF'))"
    f" AND {_TEXT} ~ '^{_BEGINS}' THEN '''' || {_REPLACED}"
    f" WHEN ({_HAS_DELIMITER}) AND {_TEXT} ~ '{_INNER}' THEN {_REPLACED}"
    " ELSE %(expressions)s END"
)
_COMPUTED = f"regexp_replace({_REPLACED}, '^({_BEGINS})', '''\\1')"


def can_read(readings: Sequence[Reading], file_format: str) -> bool:
    """Return whether PostgreSQL can write the lines of such a file."""
    if any(reading.copied is None for reading in readings):
        return False
    if file_format == "jsonl":
        # The headers become names of columns, which PostgreSQL limits.
        return all(0 < len(each.field.header.encode()) <= MAX_NAME_BYTES for each in readings)
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
    """Yield the rows of `keys` as lines of the file; in key order, unless the queryset is sorted.

    The bytes are the same as those that a writer makes from the pages of `rows.read`. A list may be
    empty.
    `recount` compares the number of rows with the number of keys at the same moment.
    """
    with source.reading():
        try:
            query = statement(
                source, queryset, readings, keys, file_format=file_format, options=options
            )
        except EmptyResultSet:
            rows = 0  # No row can meet the conditions.
        else:
            raw: Connection[Any] = source.connection.connection
            # This turns errors of psycopg into Django's, which `retries` expects.
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
    """Return the COPY statement for the rows of `keys`. Raise EmptyResultSet if there are none."""
    found = keys.of(queryset).order_by(*(queryset.query.order_by or ["pk"]))
    raw = source.connection.connection
    is_csv = file_format == "csv"
    values = [
        _csv_value(reading, protect=options.protect) if is_csv else _json_value(reading)
        for reading in readings
    ]
    # COPY takes no parameters, so psycopg puts them into the SQL, quoted.
    select = ClientCursor(raw).mogrify(*source.sql(selected(found, values)))
    if is_csv:
        delimiter = Literal(options.delimiter).as_string(raw)
        return f"COPY ({select}) TO STDOUT (FORMAT csv, DELIMITER {delimiter})".encode()
    names = ", ".join(Identifier(reading.field.header).as_string(raw) for reading in readings)
    # PostgreSQL keeps the order of the subquery. Without ".*", `line` might be one of its columns.
    rows = f"SELECT row_to_json(line.*) FROM ({select}) AS line ({names})"  # noqa: S608 - psycopg has quoted it
    return f"COPY ({rows}) TO STDOUT ({AS_JSON})".encode()


def _csv_value(reading: Reading, *, protect: bool) -> Any:
    """Return the SQL of a cell."""
    if not protect or reading.field.kind is not Kind.TEXT:
        return reading.copied
    template = _STORED if reading.is_stored else _COMPUTED
    return Func(reading.copied, template=template, output_field=TextField())


def _json_value(reading: Reading) -> Any:
    """Return the SQL that row_to_json writes as the writer does: numbers as they are, or text."""
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
    """Yield the messages of a COPY; return how many. Raise WrongCount if some did not arrive.

    psycopg's own iterator has half the speed.
    """
    pgconn.send_query(query)
    while pgconn.is_busy():
        if not _wait(pgconn):
            yield []
    _expect(pgconn, pgconn.get_result(), ExecStatus.COPY_OUT)
    lines: Lines = []
    rows, room, size = 0, MAX_BYTES, 0
    while size >= 0:  # After the last row, it is -1.
        size, data = pgconn.get_copy_data(1)
        if size > 0:
            lines.append(data)
            room -= size
            if room >= 0 and len(lines) < MAX_LINES:
                continue
        elif size == 0 and _wait(pgconn):
            continue
        rows += len(lines)
        yield lines
        lines, room = [], MAX_BYTES
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
    """Wait up to WAIT_SECONDS for the server; return whether it has sent something."""
    ready, _, _ = select.select([pgconn.socket], [], [], WAIT_SECONDS)
    if ready:
        pgconn.consume_input()
    return bool(ready)


def _expect(pgconn: PGconn, result: Any, status: ExecStatus) -> None:
    if result is None:
        raise OperationalError(pgconn.get_error_message())
    if result.status != status:
        raise error_from_result(result)
