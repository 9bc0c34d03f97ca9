"""The reader that can read anything: pages of rows by keyset, in flat memory.

Each page is one short query that is read to its end before anything is written: an open
cursor would pin SQLite's log, and hold back PostgreSQL's vacuum.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

    from exports.engine.plan import Range
    from exports.exporter import Column

    Row = tuple[Any, ...]


def read(
    queryset: QuerySet[Any], columns: Sequence[Column], keys: Range, page_rows: int
) -> Iterator[list[Row]]:
    """Yield the rows of `keys` in pages, in key order, one value a column."""
    reads: list[Any] = ["pk"]
    makers = [_maker(column, reads) for column in columns]
    found = queryset.filter(pk__lte=keys.upto).order_by("pk").values_list(*reads)
    after = keys.after
    while True:
        page = list((found if after is None else found.filter(pk__gt=after))[:page_rows])
        if page:
            after = page[-1][0]
            yield [tuple([make(row) for make in makers]) for row in page]
        if len(page) < page_rows:
            return


def _maker(column: Column, reads: list[Any]) -> Callable[[Row], Any]:
    """A function from a fetched row to this column's value; adds to `reads` what it needs."""
    if column.python is None:
        reads.append(column.name if column.expression is None else column.expression)
        return itemgetter(len(reads) - 1)
    start = len(reads)
    reads.extend(column.needs)
    end, function = len(reads), column.python
    return lambda row: function(*row[start:end])
