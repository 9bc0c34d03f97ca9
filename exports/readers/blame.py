"""Find the column and the row that an error came from.

Checking each value would slow down every export. So rows are read at full speed. After an error
they are read again in halves until one row is left, and that row column by column.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DatabaseError

from exports.exceptions import ExportError, TookTooLong, UnreadableRow, Unwritable
from exports.formats.text import cell
from exports.i18n.message import Message
from exports.readers.connection import limited
from exports.readers.plan import Range
from exports.readers.projection import selected
from exports.readers.retries import is_transient, message_of, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import QuerySet

    from exports.formats.kinds import Page
    from exports.readers.connection import Source
    from exports.readers.projection import Reading

    T = TypeVar("T")

SECONDS = 10.0  # The search gives up after this: an export may have millions of slow rows.
KEYS = 50_000  # The search has at most this many keys in memory.


def name_in_errors(
    items: Iterable[T],
    source: Source,
    queryset: QuerySet[Any],
    readings: Sequence[Reading],
    keys: Range,
) -> Iterator[T]:
    """Yield `items`, which a reader makes from the rows of `keys`.

    Raise UnreadableRow if the reader fails and a retry cannot help. The message names the column
    and the row if they are found within SECONDS.
    """
    try:
        yield from items
    except Exception as error:
        if isinstance(error, ExportError) or is_transient(error):
            raise
        found = _Search(source, queryset, readings, keys).result()
        if found is None and not isinstance(error, DatabaseError):
            raise
        raise UnreadableRow(_message(found, error)) from error


def with_row(error: Unwritable, page: Page) -> Unwritable:
    """Return `error`, which a writer raised for a value of `page`, with the key of the row."""
    keys = getattr(page, "keys", ())
    if error.row is None or error.row >= len(keys):
        return error
    return Unwritable(
        Message("Row %(row)s: %(problem)s", row=row_name(keys[error.row]), problem=error.args[0])
    )


def unreadable(header: str, key: Any, problem: str) -> UnreadableRow:
    """Return the error for a value that cannot be computed."""
    return UnreadableRow(_not_computed(header, key, problem))


def _message(found: Message | None, error: Exception) -> Message:
    """Return the message that the search has `found`, or else that of the database."""
    return message_of(error) if found is None else found


def _not_computed(header: str, key: Any, problem: str) -> Message:
    return Message(
        'The column "%(column)s" cannot be computed for row %(row)s: %(problem)s',
        column=header,
        row=row_name(key),
        problem=problem,
    )


def row_name(key: Any) -> str:
    """Return a primary key as text, for a message."""
    if isinstance(key, tuple):
        return ", ".join(map(row_name, key))
    return cell(key) if isinstance(key, bytes | memoryview) else str(key)


class _Search:
    """Search the rows of `keys` for a value that cannot be read."""

    def __init__(
        self, source: Source, queryset: QuerySet[Any], readings: Sequence[Reading], keys: Range
    ) -> None:
        self._source = source
        self._rows = keys.of(queryset.order_by("pk"))
        self._upto = keys.upto
        self._readings = [reading for reading in readings if reading.reads]
        self._until = time.monotonic() + SECONDS

    def result(self) -> Message | None:
        """Return a message that names the value; None if it was not found, or has changed."""
        try:
            with limited(self._source.connection, SECONDS):
                return self._found()
        except (TookTooLong, DatabaseError):
            return None

    def _found(self) -> Message | None:
        # Some errors happen without any row: a missing function, or 1 / 0.
        nothing = self._rows.filter(pk__gt=self._upto)
        if self._fails(nothing, self._readings):
            for reading in self._readings:
                if error := self._fails(nothing, [reading]):
                    return Message(
                        'The column "%(column)s" cannot be read: %(problem)s',
                        column=reading.field.header,
                        problem=_problem_of(error),
                    )
            return None
        for key, row in self._failing_row():
            if error := self._fails(row, []):
                # Without any column the row fails as well, so the filters are to blame.
                return Message(
                    "Row %(row)s cannot be read: %(problem)s",
                    row=row_name(key),
                    problem=_problem_of(error),
                )
            for reading in self._readings:
                if error := self._fails(row, [reading]):
                    return _not_computed(reading.field.header, key, _problem_of(error))
        return None

    def _failing_row(self) -> Iterator[tuple[Any, QuerySet[Any]]]:
        """Yield the key and a queryset of the first row that cannot be read with all columns."""
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
        """Return the next keys after `after`, at most KEYS."""
        rows = self._between(after, self._upto)
        with self._source.reading(rows=False):
            found = self._source.pages(rows.values_list("pk")[:KEYS], KEYS)
            return [key for page in found for (key,) in page]

    def _between(self, after: Any, upto: Any) -> QuerySet[Any]:
        return Range(after, upto, 0).of(self._rows)

    def _fails(self, rows: QuerySet[Any], readings: Sequence[Reading]) -> Exception | None:
        """Return the error that reading `rows` causes, if any."""
        if time.monotonic() > self._until:
            raise TookTooLong
        columns = ["pk", *(each for reading in readings for each in reading.reads)]
        try:
            with self._source.reading(rows=False):
                deque(self._source.pages(selected(rows, columns), KEYS), maxlen=0)
        # The fields of a project may raise any error, and the search is for such errors.
        except Exception as error:
            if is_transient(error):
                raise
            return error
        return None


def _problem_of(error: Exception) -> str:
    if isinstance(error, DatabaseError):
        return reason_of(error)
    return f"{type(error).__name__}: {error}"
