"""The reader that can read anything: pages of rows, in flat memory.

On SQLite each page is a query of its own by keyset, read to its end before anything is
written: an open cursor would pin the log. Sorted rows are one query there, too, over a
connection apart. On PostgreSQL a part is one query, whose rows come as the server makes
them, over a connection of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.engine.projection import selected
from exports.exceptions import UnreadableRow
from exports.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import QuerySet

    from exports.engine.kinds import Page
    from exports.engine.plan import Range
    from exports.engine.projection import Reading
    from exports.engine.source import Source

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
) -> Iterator[Page]:
    """Yield the rows of `keys` in pages, as `engine.kinds` says; in key order, if not sorted.

    Raises UnreadableRow, which names the row, when a Python column's function raises.
    """
    order = queryset.query.order_by
    found = queryset.filter(pk__lte=keys.upto).order_by(*(order or ["pk"]))
    found = selected(found, ["pk", *(each for reading in readings for each in reading.reads)])
    # Where one page ends and the next begins, only keys can say.
    pages = _by_stream if source.is_postgres or order else _by_keyset
    for rows in pages(source, found, keys, page_rows):
        yield _page(list(zip(*rows, strict=True)), readings)


def _by_stream(
    source: Source, found: QuerySet[Any], keys: Range, page_rows: int
) -> Iterator[list[Any]]:
    with source.reading():
        # It is one query, however few are taken at a time.
        yield from source.pages(_after(found, keys.after), min(page_rows, AT_ONCE))


def _by_keyset(
    source: Source, found: QuerySet[Any], keys: Range, page_rows: int
) -> Iterator[list[Any]]:
    after = keys.after
    while True:
        page = [
            row
            for rows in source.pages(_after(found, after)[:page_rows], page_rows)
            for row in rows
        ]
        if page:
            after = page[-1][0]
            yield page
        if len(page) < page_rows:
            return


def _after(found: QuerySet[Any], key: Any) -> QuerySet[Any]:
    return found if key is None else found.filter(pk__gt=key)


def _page(columns: Columns, readings: Sequence[Reading]) -> Page:
    """The values of each column, from what was read for it."""
    keys, taken = columns[0], 1
    page: list[Sequence[Any]] = []
    for reading in readings:
        read = columns[taken : taken + len(reading.reads)]
        taken += len(reading.reads)
        if reading.function is not None:
            page.append(_called(reading, read, keys))
        elif (decode := reading.decode) is not None:
            page.append([None if value is None else decode(value) for value in read[0]])
        else:
            page.append(read[0])
    return page


def _called(reading: Reading, arguments: Columns, keys: tuple[Any, ...]) -> list[Any]:
    function: Any = reading.function
    try:
        return list(map(function, *arguments))
    except Exception:
        # Which row it was is found out only now: asking for each would cost each of them.
        for key, *values in zip(keys, *arguments, strict=True):
            try:
                function(*values)
            except Exception as error:
                row = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
                problem = f"{type(error).__name__}: {error}"
                raise UnreadableRow(
                    Sentence(
                        'The column "%(column)s" cannot be made for the row %(row)s: %(problem)s',
                        column=reading.field.header,
                        row=row,
                        problem=problem,
                    )
                ) from error
        raise
