"""CSV as in RFC 4180, but with "\\n" as line end; in UTF-8, and equal to the output of COPY.

A missing value is an empty cell, and an empty text is `""`, so that readers can tell them apart.

Excel takes a file that begins with `ID` for another format, SYLK. So the first cell of a file is
quoted if it begins with `ID`. A part does not know whether an earlier part has rows, so it treats
its own first cell in the same way.
"""

from __future__ import annotations

import codecs
import datetime
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from exports.exceptions import Unwritable
from exports.formats.formula import has_protected, is_risky, protect, was_protected
from exports.formats.kinds import Kind
from exports.formats.lines import LinesPart, LinesWriter, TextCache
from exports.formats.text import cell
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page

# Values of these types are not protected from being run as formulas. A negative number begins
# with a sign, and lists and dictionaries become JSON, which an apostrophe would break.
NOT_TEXT = (
    bool,
    int,
    float,
    Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    list,
    tuple,
    dict,
)
END_OF_DATA = "\\."  # Unquoted on a line of its own, it makes PostgreSQL stop reading.


class CSVPart(LinesPart):
    def __init__(self, out: Out, fields: Sequence[Field], options: Options) -> None:
        super().__init__(out, fields, options)
        self._delimiter = options.delimiter
        self._cells = _Cells(options, has_one_column=len(fields) == 1)
        self._texts = [TextCache(self._cells.cacheable, none="") for _ in fields]
        delimiter = re.escape(options.delimiter.encode())
        # Finds the cells of a line that the database has written, each without its quotes.
        self._find_cells = re.compile(
            rb'(?:"([^"]*(?:""[^"]*)*)"|([^' + delimiter + rb"\n]*))(?:" + delimiter + rb"|\n)"
        ).finditer
        self._may_begin_file = not (options.header or options.bom)
        self._may_protect = options.protect and any(field.kind is Kind.TEXT for field in fields)

    def column(self, number: int, values: Sequence[Any]) -> Iterable[str]:
        match self._fields[number].kind:
            case Kind.TEXT:
                return map(self._texts[number].__getitem__, values)
            case Kind.VALUE:
                return map(self._cells.value, values)
            case Kind.NESTED | Kind.BINARY:  # Binary data without any bytes is an empty text.
                return ["" if value is None else self._cells.quoted(value) for value in values]
            case _:
                return ["" if value is None else value for value in values]

    def join(self, columns: Iterable[Iterable[str]]) -> str:
        lines = "\n".join(map(self._delimiter.join, zip(*columns, strict=True)))
        self.protected += self._cells.take_protected()
        return f"{lines}\n"

    def handle_surrogates(self, lines: str, page: Page) -> str:
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
        return lines  # No value has a surrogate, so encoding `lines` raises the same error again.

    def write_lines(self, lines: Sequence[bytes | memoryview]) -> None:
        block = b"".join(lines)
        if self._may_protect and has_protected(block):
            self.protected += sum(map(self._count_protected, lines))
        self.put(block)

    def put(self, block: bytes) -> None:
        if self._may_begin_file and block:
            block = _not_sylk(block, self._delimiter)
            self._may_begin_file = False
        super().put(block)

    def _count_protected(self, line: bytes | memoryview) -> int:
        """Return how many cells of `line`, which the database has written, are protected.

        The text of a cell shows it. A text that already looked protected got another apostrophe.
        """
        if not has_protected(line):
            return 0
        texts = (found[found.lastindex or 0] for found in self._find_cells(line))
        return sum(
            field.kind is Kind.TEXT and was_protected(bytes(text).decode())
            for field, text in zip(self._fields, texts, strict=True)
        )


class CSVWriter(LinesWriter):
    """Protect text from being run as a formula; leave numbers and times unchanged."""

    part_class = CSVPart

    def head(self) -> bytes:
        bom = codecs.BOM_UTF8 if self.options.bom else b""
        if not self.options.header:
            return bom
        cells = _Cells(self.options, has_one_column=len(self.fields) == 1)
        headers = [cells.text(field.header) for field in self.fields]
        line = f"{self.options.delimiter.join(headers)}\n".encode()
        return bom + line if bom else _not_sylk(line, self.options.delimiter)


def _not_sylk(lines: bytes, delimiter: str) -> bytes:
    """Return `lines`, with the first cell in quotes if it begins with `ID`."""
    if not lines.startswith(b"ID"):
        return lines
    return re.sub(b"[^%b\n]+" % re.escape(delimiter.encode()), rb'"\g<0>"', lines, count=1)


class _Cells:
    """Write cells, and count the protected ones."""

    def __init__(self, options: Options, *, has_one_column: bool) -> None:
        self._protect = options.protect
        self._protected = 0
        self._has_one_column = has_one_column
        self._needs_quotes = re.compile(f'["\r\n{re.escape(options.delimiter)}]').search

    def take_protected(self) -> int:
        """Return how many cells were protected since the last call."""
        protected, self._protected = self._protected, 0
        return protected

    def text(self, text: str) -> str:
        """Return the cell of a text, protected if it is risky."""
        return self.cacheable(text)[0]

    def cacheable(self, text: str) -> tuple[str, bool]:
        """Return the cell of a text, and whether TextCache may keep it."""
        if self._protect and is_risky(text):
            self._protected += 1
            return self.quoted(protect(text)), False  # Each occurrence has to be counted.
        return self.quoted(text), True

    def value(self, value: Any) -> str:
        """Return the cell of a Python object. An object of an unknown type becomes risky text."""
        kind = type(value)
        if kind is int or (kind is float and math.isfinite(value)):
            return str(value)  # The most frequent types need none of the checks below.
        if value is None:
            return ""
        return self.quoted(cell(value)) if isinstance(value, NOT_TEXT) else self.text(cell(value))

    def quoted(self, text: str) -> str:
        if not text or self._needs_quotes(text) or (self._has_one_column and text == END_OF_DATA):
            return '"' + text.replace('"', '""') + '"'
        return text
