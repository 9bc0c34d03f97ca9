"""CSV: RFC 4180 with "\\n" at the end of a line, UTF-8. Written as PostgreSQL's COPY does.

Nothing is an empty cell, and an empty text a quoted one, so that what reads the file can
tell them apart.

A file that begins with `ID` is taken for another format, SYLK, by Excel; so a cell that may come
first in it is quoted if it begins like that. A part does not know whether it will be the first
with rows, so its first line is written as if it were.
"""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from exports.exceptions import Unwritable
from exports.formats.formula import has_protected, is_risky, protect, was_protected
from exports.formats.kinds import Kind
from exports.formats.lines import LinesPart, LinesWriter, Remembered
from exports.formats.text import cell
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page

# Values of these types must not look like text: a negative number, for one. Nor must lists and
# dictionaries, which are JSON: an apostrophe inside would break it.
NOT_TEXT = (
    *(bool, int, float, Decimal, datetime.date, datetime.time, datetime.timedelta),
    *(list, tuple, dict),
)
END_OF_DATA = "\\."  # On a line of its own it ends what PostgreSQL reads, unless it is quoted.


class CSVWriter(LinesWriter):
    """Text is protected from being run as a formula; numbers and times are as they are."""

    def part(self, out: Out) -> CSVPart:
        return CSVPart(out, self.fields, self.options)

    def head(self) -> bytes:
        mark = "\N{BOM}" if self.options.bom else ""
        if not self.options.header:
            return mark.encode()
        cells = _Cells(self.options, is_alone=len(self.fields) == 1)
        headers = [cells.text(field.header) for field in self.fields]
        line = f"{self.options.delimiter.join(headers)}\n".encode()
        return mark.encode() + line if mark else _not_sylk(line, self.options.delimiter)


class CSVPart(LinesPart):
    def __init__(self, out: Out, fields: Sequence[Field], options: Options) -> None:
        super().__init__(out, options)
        self._fields = fields
        self._delimiter = options.delimiter
        self._cells = _Cells(options, is_alone=len(fields) == 1)
        self._texts = [Remembered(self._cells.remembered, nothing="") for _ in fields]
        mark = re.escape(options.delimiter.encode())
        # In what the database has made: the cells of a line, each without its quotes.
        self._cells_of = re.compile(
            rb'(?:"([^"]*(?:""[^"]*)*)"|([^' + mark + rb"\n]*))(?:" + mark + rb"|\n)"
        ).finditer
        self._may_begin_file = not (options.header or options.bom)
        self._can_hold = options.protect and any(field.kind is Kind.TEXT for field in fields)

    def column(self, number: int, values: Sequence[Any]) -> Iterable[str]:
        match self._fields[number].kind:
            case Kind.TEXT:
                made: Iterable[str] = map(self._texts[number].__getitem__, values)
            case Kind.VALUE:
                made = map(self._cells.value, values)
            case Kind.NESTED | Kind.BINARY:  # No bytes are an empty text.
                made = ["" if value is None else self._cells.quoted(value) for value in values]
            case _:
                made = ["" if value is None else value for value in values]
        # Before the next column: what was protected is counted as it is made.
        return list(made)

    def join(self, columns: Iterable[Iterable[str]]) -> str:
        lines = "\n".join(map(self._delimiter.join, zip(*columns, strict=True)))
        self.protected += self._cells.take_protected()
        return f"{lines}\n"

    def unencodable(self, lines: str, page: Page) -> str:
        for number, values in enumerate(page):
            for row, value in enumerate(values):
                try:
                    cell(value).encode()
                except UnicodeEncodeError as error:
                    raise Unwritable(
                        Message(
                            'The column "%(column)s" contains half a character (a lone surrogate), which '
                            "CSV cannot store. Leave out the column or the row, or export to JSON Lines.",
                            column=self._fields[number].header,
                        ),
                        row=row,
                    ) from error
        return lines  # It is not in a value: in a header, which is no part's.

    def write_lines(self, lines: Sequence[bytes | memoryview]) -> None:
        block = b"".join(lines)
        if self._can_hold and has_protected(block):
            self.protected += sum(map(self._count, lines))
        self.put(block)

    def put(self, block: bytes) -> None:
        if self._may_begin_file and block:
            block = _not_sylk(block, self._delimiter)
            self._may_begin_file = False
        super().put(block)

    def _count(self, line: bytes | memoryview) -> int:
        """How many cells of a line of the database were protected.

        They show it themselves: a cell that looks like that and was not would have got an
        apostrophe more.
        """
        if not has_protected(line):
            return 0
        cells = (cell[cell.lastindex or 0] for cell in self._cells_of(line))
        return sum(
            field.kind is Kind.TEXT and was_protected(bytes(cell).decode())
            for field, cell in zip(self._fields, cells, strict=True)
        )


def _not_sylk(lines: bytes, delimiter: str) -> bytes:
    """Whole lines, the first cell of which is quoted if it begins with `ID`."""
    if not lines.startswith(b"ID"):
        return lines
    return re.sub(b"[^%b\n]+" % re.escape(delimiter.encode()), rb'"\g<0>"', lines, count=1)


class _Cells:
    """How cells are written. Counts those that it protects."""

    def __init__(self, options: Options, *, is_alone: bool) -> None:
        self._protect = options.protect
        self._protected = 0
        self._is_alone = is_alone
        self._needs_quotes = re.compile(f'["\r\n{re.escape(options.delimiter)}]').search

    def take_protected(self) -> int:
        """How many since the last time."""
        protected, self._protected = self._protected, 0
        return protected

    def text(self, text: str) -> str:
        """What people wrote."""
        return self.remembered(text)[0]

    def remembered(self, text: str) -> tuple[str, bool]:
        if self._protect and is_risky(text):
            self._protected += 1
            return self.quoted(protect(text)), False  # It counts each time.
        return self.quoted(text), True

    def value(self, value: Any) -> str:
        """A Python object. What is not of a known type is text that somebody's __str__ made."""
        kind = type(value)
        if kind is int or (kind is float and math.isfinite(value)):
            return str(value)  # The most frequent, and nothing to ask of them.
        if value is None:
            return ""
        return self.quoted(cell(value)) if isinstance(value, NOT_TEXT) else self.text(cell(value))

    def quoted(self, text: str) -> str:
        if not text or self._needs_quotes(text) or (self._is_alone and text == END_OF_DATA):
            return '"' + text.replace('"', '""') + '"'
        return text
