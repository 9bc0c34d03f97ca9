"""Plan, read and write rows in the process of the test, without an export."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet

from exports.exceptions import Unwritable
from exports.exporters import Column
from exports.formats import writer_class
from exports.formats.base import Options
from exports.readers import blame, copy, rows
from exports.readers.connection import Source
from exports.readers.plan import Range, key_text, plan, read_key
from exports.readers.projection import project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

    from exports.formats.kinds import Page


class Watched(Source):
    """Records the SQL of reads, and can call a function before each."""

    def __init__(self, alias: str = "default", before: Callable[[int], None] | None = None) -> None:
        super().__init__(alias)
        self.queries: list[str] = []
        self._before = before

    def pages(self, queryset: QuerySet[Any], size: int) -> Iterator[list[Any]]:
        self._watch(queryset)
        return super().pages(queryset, size)

    def every_nth(self, queryset: QuerySet[Any], step: int) -> tuple[list[Any], int]:
        self._watch(queryset)
        return super().every_nth(queryset, step)

    def _watch(self, queryset: QuerySet[Any]) -> None:
        if self._before is not None:
            self._before(len(self.queries))
        try:
            self.queries.append(self.sql(queryset)[0])
        except EmptyResultSet:
            self.queries.append("")


def planned(queryset, part_rows, source=None):
    with closing(source or Source(queryset.db)) as opened:
        return plan(opened, queryset, part_rows)


def readings_of(queryset, columns, source):
    made = [Column(each) if isinstance(each, str) else each for each in columns]
    return project(queryset, made, source.connection.vendor)


def pages_of(source: Source, queryset, columns, keys: Range, page_rows: int = 7) -> Iterator[Page]:
    """Return the pages of columns from the row reader."""
    return rows.read(source, queryset, readings_of(queryset, columns, source), keys, page_rows)


def blocks_of(source: Source, queryset, columns, keys: Range, by: str) -> Iterator[int]:
    """Return the number of rows in each block of the reader `by`; 1 for the row reader."""
    if by == "rows":
        yield from (len(page[0]) for page in pages_of(source, queryset, columns, keys, 1))
    else:
        made = readings_of(queryset, columns, source)
        csv = {"file_format": "csv", "options": Options()}
        yield from map(len, copy.read(source, queryset, made, keys, **csv))


def rows_of(queryset, *columns, part_rows=1_000, page_rows=7):
    """Return all rows of all parts, each a tuple of texts."""
    with closing(Source(queryset.db)) as source:
        return [
            row
            for keys in plan(source, queryset, part_rows)
            for page in pages_of(source, queryset, columns, keys, page_rows)
            for row in zip(*page, strict=True)
        ]


def as_kept(model, keys: Range) -> Range:
    """Return `keys` as text, as the table of parts stores them."""
    after, upto = (
        None if key is None else read_key(model, key_text(model, key))
        for key in (keys.after, keys.upto)
    )
    return Range(after, upto, keys.rows)


@dataclass
class Extracted:
    """The result of a query."""

    parts: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # The number in each part.
    protected: list[int] = field(default_factory=list)  # The number of cells in each part.
    file: bytes = b""


def extracted(
    queryset,
    columns,
    file_format="csv",
    *,
    by="rows",
    part_rows=1_000,
    page_rows=7,
    **options,
) -> Extracted:
    """Return the file of `columns`, whose parts were read by the row reader or by "copy"."""
    made = Extracted()
    with closing(Source(queryset.db)) as source:
        readings = readings_of(queryset, columns, source)
        wanted = Options(**options)
        writer = writer_class(file_format)([each.field for each in readings], wanted)
        for planned_keys in plan(source, queryset, part_rows):
            keys = as_kept(queryset.model, planned_keys)
            out = io.BytesIO()
            part: Any = writer.part(out)
            count = 0
            if by == "copy":
                assert copy.can_read(readings, file_format)
                blocks = copy.read(
                    source, queryset, readings, keys, file_format=file_format, options=wanted
                )
                for lines in blame.name_in_errors(blocks, source, queryset, readings, keys):
                    part.write_lines(lines)
                    count += len(lines)
            else:
                pages = rows.read(source, queryset, readings, keys, page_rows)
                for page in blame.name_in_errors(pages, source, queryset, readings, keys):
                    try:
                        part.write(page)
                    except Unwritable as error:
                        raise blame.with_row(error, page) from error
                    count += len(page[0])
            part.close()
            made.parts.append(out.getvalue())
            made.rows.append(count)
            made.protected.append(part.protected)
    whole = io.BytesIO()
    writer.assemble(whole, map(io.BytesIO, made.parts))
    made.file = whole.getvalue()
    return made
