"""CSV: RFC 4180 with "\\n" at the end of a line, UTF-8, a header line."""

from __future__ import annotations

import csv
import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from exports.engine.formula import protect
from exports.engine.writers.text import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


# The csv module writes these as `cell` does, and faster. Exact types: a bool is an int, too.
AS_IS = frozenset({int, float, type(None)})
# Never run as a formula, and must not look like text: a negative number, for one.
NOT_TEXT = (int, float, Decimal, datetime.date, datetime.time, datetime.timedelta)


class CSVWriter:
    """Text cells are protected from being run as formulas; numbers and times are as they are."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = headers

    def head(self) -> bytes:
        return self.rows([self._headers])

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        lines: list[str] = []
        # Before Python 3.13 csv quotes the line breaks of its own lineterminator only, and a
        # "\r" in a cell would end the line for whoever reads it. So: both, and one taken off.
        csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n").writerows(
            [value if type(value) in AS_IS else _text(value) for value in row] for row in rows
        )
        return "".join([f"{line[:-2]}\n" for line in lines]).encode()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return protect(value)
    # What is not of a known type is text that somebody's __str__ made.
    return cell(value) if isinstance(value, NOT_TEXT) else protect(cell(value))
