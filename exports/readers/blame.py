"""Which column of which row could not be read: found out after an error, never before.

To watch each value would cost every export. So rows are read at full speed, and when that
fails they are read again in halves, until one row is left, and then column by column.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DatabaseError

from exports.exceptions import ExportError, TookTooLong, UnreadableRow, Unwritable
from exports.formats.text import cell
from exports.i18n.message import Message
from exports.readers.connection import limited
from exports.readers.projection import selected
from exports.readers.retries import is_curable, refusal, said_by_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import QuerySet

    from exports.formats.kinds import Page
    from exports.readers.connection import Source
    from exports.readers.plan import Range
    from exports.readers.projection import Reading

    T = TypeVar("T")

SECONDS = 10.0  # A column whose value takes long to compute may have millions of rows.
KEYS = 50_000  # Keys that are held in memory at once.


def named(
    items: Iterable[T],
    source: Source,
    queryset: QuerySet[Any],
    readings: Sequence[Reading],
    keys: Range,
) -> Iterator[T]:
    """Yield `items`, which a reader makes of the rows of `keys`.

    When the reader raises what no retry cures, raises UnreadableRow. Its message names the
    column and the row, as far as they are found within SECONDS.
    """
    try:
        yield from items
    except Exception as error:
        if isinstance(error, ExportError) or is_curable(error):
            raise
        found = _Search(source, queryset, readings, keys).result()
        if found is None and not isinstance(error, DatabaseError):
            raise
        raise UnreadableRow(_told(found, error)) from error


def in_row(error: Unwritable, page: Page) -> Unwritable:
    """`error`, which a writer raised for a value of `page`, with the key of the row."""
    keys = getattr(page, "keys", ())
    if error.row is None or error.row >= len(keys):
        return error
    return Unwritable(
        Message("Row %(row)s: %(problem)s", row=row_name(keys[error.row]), problem=error.args[0])
    )


def unreadable(header: str, key: Any, problem: str) -> UnreadableRow:
    """The error for a value that cannot be made, of the column `header` and the row `key`."""
    return UnreadableRow(_not_made(header, key, problem))


def _told(found: Message | None, error: Exception) -> Message:
    return refusal(error) if found is None else found


def _not_made(header: str, key: Any, problem: str) -> Message:
    return Message(
        'The column "%(column)s" cannot be computed for row %(row)s: %(problem)s',
        column=header,
        row=row_name(key),
        problem=problem,
    )


def row_name(key: Any) -> str:
    """A primary key, as people find the row by it."""
    if isinstance(key, tuple):
        return ", ".join(map(row_name, key))
    return cell(key) if isinstance(key, bytes | memoryview) else str(key)


class _Search:
    """Reads the rows of `keys` in halves."""

    def __init__(
        self, source: Source, queryset: QuerySet[Any], readings: Sequence[Reading], keys: Range
    ) -> None:
        self._source = source
        rows = queryset.order_by("pk").filter(pk__lte=keys.upto)
        self._rows = rows if keys.after is None else rows.filter(pk__gt=keys.after)
        self._upto = keys.upto
        self._readings = [reading for reading in readings if reading.reads]
        self._until = time.monotonic() + SECONDS

    def result(self) -> Message | None:
        """What cannot be read, in words. None if it is not found in time, or was changed."""
        try:
            with limited(self._source.connection, SECONDS):
                return self._found()
        except (TookTooLong, DatabaseError):
            return None

    def _found(self) -> Message | None:
        # Some errors need no row: a function that does not exist, 1 / 0.
        nothing = self._rows.filter(pk__gt=self._upto)
        if self._fails(nothing, self._readings):
            for reading in self._readings:
                if error := self._fails(nothing, [reading]):
                    return Message(
                        'The column "%(column)s" cannot be read: %(problem)s',
                        column=reading.field.header,
                        problem=_said(error),
                    )
            return None
        for key, row in self._failing_row():
            if error := self._fails(row, []):
                # Its filters cannot be computed: no column is to blame.
                return Message(
                    "Row %(row)s cannot be read: %(problem)s",
                    row=row_name(key),
                    problem=_said(error),
                )
            for reading in self._readings:
                if error := self._fails(row, [reading]):
                    return _not_made(reading.field.header, key, _said(error))
        return None

    def _failing_row(self) -> Iterator[tuple[Any, QuerySet[Any]]]:
        """The first row that cannot be read with all columns, by its key and as a queryset."""
        after = None
        while keys := self._keys(after):
            if self._fails(self._between(after, keys[-1]), self._readings):
                while len(keys) > 1:
                    first = keys[: len(keys) // 2]
                    if self._fails(self._between(after, first[-1]), self._readings):
                        keys = first
                    else:
                        after, keys = first[-1], keys[len(first) :]
                yield keys[0], self._between(after, keys[0])
                return
            after = keys[-1]

    def _keys(self, after: Any) -> list[Any]:
        rows = self._rows if after is None else self._rows.filter(pk__gt=after)
        with self._source.reading(rows=False):
            found = self._source.pages(rows.values_list("pk")[:KEYS], KEYS)
            return [key for page in found for (key,) in page]

    def _between(self, after: Any, upto: Any) -> QuerySet[Any]:
        rows = self._rows.filter(pk__lte=upto)
        return rows if after is None else rows.filter(pk__gt=after)

    def _fails(self, rows: QuerySet[Any], readings: Sequence[Reading]) -> Exception | None:
        """The error with which `rows` cannot be read, if they cannot."""
        if time.monotonic() > self._until:
            raise TookTooLong
        wanted = ["pk", *(each for reading in readings for each in reading.reads)]
        try:
            with self._source.reading(rows=False):
                for _ in self._source.pages(selected(rows, wanted), KEYS):
                    pass
        # Whatever a field of somebody's own raises is what is looked for.
        except Exception as error:
            if is_curable(error):
                raise
            return error
        return None


def _said(error: Exception) -> str:
    if isinstance(error, DatabaseError):
        return said_by_database(error)
    return f"{type(error).__name__}: {error}"
