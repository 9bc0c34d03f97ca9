"""The general reader: it reads any column, in pages of rows, and needs little memory.

On SQLite, each page is its own query, which continues after the last key and ends before anything
is written. An open cursor, or one transaction for the whole part, would keep SQLite from
truncating its log. Sorted rows are one query, over a separate connection. On PostgreSQL, a part is
one query whose rows are streamed over a separate connection.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from exports.formats.kinds import KeyedPage
from exports.readers import blame
from exports.readers.plan import Range
from exports.readers.projection import selected
from exports.readers.retries import is_transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

    from exports.formats.kinds import Page
    from exports.readers.connection import Source
    from exports.readers.projection import Reading
    from exports.readers.recount import Recount

    Columns = Sequence[Sequence[Any]]

# Rows that are converted together: as many as fit in the processor's cache with everything that is
# made from them. With 2,000 instead, a row takes a third longer.
CHUNK_ROWS = 350


def read(
    source: Source,
    queryset: QuerySet[Any],
    readings: Sequence[Reading],
    keys: Range,
    page_rows: int,
    *,
    recount: Recount | None = None,
) -> Iterator[Page]:
    """Yield the rows of `keys` in pages; in key order, unless the queryset is sorted.

    `recount` compares the number of rows with the number of keys at the same moment. Raise
    UnreadableRow, which names column and row, for a value that Python cannot compute.
    """
    order = queryset.query.order_by
    found = queryset.filter(pk__lte=keys.upto).order_by(*(order or ["pk"]))
    found = selected(found, ["pk", *(each for reading in readings for each in reading.reads)])
    # Continuing after a key works only for rows in key order.
    pages = _by_stream if source.is_postgres or order else _by_keyset
    for rows in pages(source, found, keys, page_rows, recount):
        yield _page(list(zip(*rows, strict=True)), readings)


def _by_stream(
    source: Source, found: QuerySet[Any], keys: Range, page_rows: int, recount: Recount | None
) -> Iterator[list[Any]]:
    with source.reading(strictly=recount is not None):
        read = 0
        # The size of the pages does not matter here, because all of them come from one query.
        for page in source.pages(_after(found, keys.after), min(page_rows, CHUNK_ROWS)):
            read += len(page)
            yield page
        if recount is not None:
            recount.compare(read)


def _by_keyset(
    source: Source, found: QuerySet[Any], keys: Range, page_rows: int, recount: Recount | None
) -> Iterator[list[Any]]:
    after, is_last = keys.after, False
    while not is_last:
        with source.reading(strictly=recount is not None):
            pages = source.pages(_after(found, after)[:page_rows], page_rows)
            page = list(chain.from_iterable(pages))
            is_last = len(page) < page_rows
            upto = keys.upto if is_last else page[-1][0]
            if recount is not None:
                recount.compare_page(Range(after, upto, len(page)))
        after = upto
        if page:
            yield page


def _after(found: QuerySet[Any], key: Any) -> QuerySet[Any]:
    return found if key is None else found.filter(pk__gt=key)


def _page(columns: Columns, readings: Sequence[Reading]) -> KeyedPage:
    """Convert the columns that were read, of which the first has the keys, to a page."""
    keys, *rest = columns
    remaining = iter(rest)
    page: list[Sequence[Any]] = []
    for reading in readings:
        read = list(islice(remaining, len(reading.reads)))
        values = read[0] if reading.function is None else _called(reading, read, keys)
        page.append(values if reading.decode is None else _decoded(reading, values, keys))
    return KeyedPage(page, keys)


def _decoded(reading: Reading, values: Sequence[Any], keys: Sequence[Any]) -> Sequence[Any]:
    decode: Any = reading.decode
    if reading.decode_column is not None and (made := reading.decode_column(values)) is not None:
        return made
    try:
        return [None if value is None else decode(value) for value in values]
    except Exception:
        _name_row(reading, lambda value: None if value is None else decode(value), [values], keys)
        raise


def _called(reading: Reading, arguments: Columns, keys: Sequence[Any]) -> list[Any]:
    function: Any = reading.function
    try:
        return list(map(function, *arguments))
    except Exception:
        _name_row(reading, function, arguments, keys)
        raise


def _name_row(
    reading: Reading, make: Callable[..., Any], arguments: Columns, keys: Sequence[Any]
) -> None:
    """Raise UnreadableRow for the first row for which `make` fails."""
    # `make` is called row by row only after an error, because that is slow.
    for key, *values in zip(keys, *arguments, strict=True):
        try:
            make(*values)
        except Exception as error:
            if isinstance(error, DatabaseError) and is_transient(error):
                raise  # The function of a Python column may query the database.
            problem = f"{type(error).__name__}: {error}"
            raise blame.unreadable(reading.field.header, key, problem) from error
