"""The reader that can read anything: pages of rows, in flat memory.

On SQLite each page is a query of its own by keyset, read to its end before anything is
written: an open cursor would pin the log, and so would one transaction for the whole part.
Sorted rows are one query there, too, over a connection apart. On PostgreSQL a part is one query,
whose rows come as the server makes them, over a connection of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from exports.formats.kinds import KeyedPage
from exports.readers import blame
from exports.readers.plan import Range
from exports.readers.projection import selected
from exports.readers.retries import is_curable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

    from exports.formats.kinds import Page
    from exports.readers.connection import Source
    from exports.readers.projection import Reading
    from exports.readers.recount import Recount

    Columns = list[tuple[Any, ...]]

# Rows of one query that are worked on at once: as many as the processor's cache holds with
# all that becomes of them. With 2 000, a row took a third longer.
AT_ONCE = 350


def read(
    source: Source,
    queryset: QuerySet[Any],
    readings: Sequence[Reading],
    keys: Range,
    page_rows: int,
    *,
    recount: Recount | None = None,
) -> Iterator[Page]:
    """Yield the rows of `keys` in pages, as `formats.kinds` says; in key order, if not sorted.

    `recount` compares how many they are with the keys that there are at the same moment. Raises
    UnreadableRow, which names column and row, for a value that Python cannot make.
    """
    order = queryset.query.order_by
    found = queryset.filter(pk__lte=keys.upto).order_by(*(order or ["pk"]))
    found = selected(found, ["pk", *(each for reading in readings for each in reading.reads)])
    # Where one page ends and the next begins, only keys can say.
    pages = _by_stream if source.is_postgres or order else _by_keyset
    for rows in pages(source, found, keys, page_rows, recount):
        yield _page(list(zip(*rows, strict=True)), readings)


def _by_stream(
    source: Source,
    found: QuerySet[Any],
    keys: Range,
    page_rows: int,
    recount: Recount | None,
) -> Iterator[list[Any]]:
    with source.reading(strictly=recount is not None):
        read = 0
        # It is one query, however few are taken at a time.
        for page in source.pages(_after(found, keys.after), min(page_rows, AT_ONCE)):
            read += len(page)
            yield page
        if recount is not None:
            recount.compare(read)


def _by_keyset(
    source: Source,
    found: QuerySet[Any],
    keys: Range,
    page_rows: int,
    recount: Recount | None,
) -> Iterator[list[Any]]:
    after, is_last = keys.after, False
    while not is_last:
        with source.reading(strictly=recount is not None):
            page = [
                row
                for rows in source.pages(_after(found, after)[:page_rows], page_rows)
                for row in rows
            ]
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
    """The values of each column, from what was read for it."""
    keys, taken = columns[0], 1
    page: list[Sequence[Any]] = []
    for reading in readings:
        read = columns[taken : taken + len(reading.reads)]
        taken += len(reading.reads)
        values: Sequence[Any] = read[0] if read else ()
        if reading.function is not None:
            values = _called(reading, read, keys)
        page.append(values if reading.decode is None else _decoded(reading, values, keys))
    return KeyedPage(page, keys)


def _decoded(reading: Reading, values: Sequence[Any], keys: Sequence[Any]) -> Sequence[Any]:
    decode: Any = reading.decode
    if reading.at_once is not None and (made := reading.at_once(values)) is not None:
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
    reading: Reading,
    make: Callable[..., Any],
    arguments: Sequence[Sequence[Any]],
    keys: Sequence[Any],
) -> None:
    """Raise UnreadableRow for the first row of which `make` raises."""
    # Which row it was is found out only now: asking for each would cost each of them.
    for key, *values in zip(keys, *arguments, strict=True):
        try:
            make(*values)
        except Exception as error:
            if isinstance(error, DatabaseError) and is_curable(error):
                raise  # A function that asks the database itself.
            problem = f"{type(error).__name__}: {error}"
            raise blame.unreadable(reading.field.header, key, problem) from error
