"""The XLSX writer: from pages to parts, and from parts to a workbook."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from exports.exceptions import Unwritable
from exports.formats.xlsx.book import sheet_start
from exports.formats.xlsx.cells import column
from exports.formats.xlsx.rows import template
from exports.formats.xlsx.segments import Segments
from exports.formats.xlsx.sheets import Sheets
from exports.formats.xlsx.text import LONGEST, QUOTED, TooLongError
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page

# Excel's limits. The header is one of the rows.
SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384


class XLSXWriter:
    """Write workbooks with typed cells. Raise Unwritable for more columns than a sheet can have."""

    def __init__(self, fields: Sequence[Field], options: Options) -> None:
        if len(fields) > SHEET_COLUMNS:
            raise Unwritable(
                Message(
                    "This export has %(columns)s columns, but an Excel sheet can have %(most)s "
                    "at most. Choose fewer columns, or CSV.",
                    most=SHEET_COLUMNS,
                    columns=len(fields),
                )
            )
        self._fields = fields
        self._options = options
        try:
            self._start = sheet_start(fields, options)
        except TooLongError as error:
            raise Unwritable(
                Message(
                    "A header has %(characters)s characters, but an Excel cell can have %(most)s "
                    "at most. Choose a shorter header, or CSV.",
                    characters=error.length,
                    most=LONGEST,
                )
            ) from error

    def part(self, out: Out) -> XLSXPart:
        return XLSXPart(out, self._fields, protect=self._options.protect)

    def assemble(self, out: Out, parts: Iterable[IO[bytes]]) -> int:
        sheets = Sheets(out, self._start, first=1 + self._options.header, last=SHEET_ROWS)
        for part in parts:
            sheets.add(part)
        sheets.close()
        return sheets.rows


class XLSXPart:
    """Write one part: compressed rows."""

    def __init__(self, out: Out, fields: Sequence[Field], *, protect: bool) -> None:
        self.protected = 0
        self._fields = fields
        self._columns = [column(field.kind, protect=protect) for field in fields]
        self._row = template(len(fields))
        self._segments = Segments(out)

    def write(self, page: Page) -> None:
        cells = []
        for at, make in enumerate(self._columns):
            try:
                cells.append(make(page[at]))
            except TooLongError as error:
                raise self._unwritable(page, at, error) from error
        rows = "".join(map(self._row.__mod__, zip(*cells, strict=True)))
        if rows:
            # "<" is escaped in texts, so this counts cells.
            self.protected += rows.count(f"{QUOTED}<")
            self._segments.write(rows.encode(), len(cells[0]))

    def close(self) -> None:
        self._segments.close()

    def _unwritable(self, page: Page, at: int, error: TooLongError) -> Unwritable:
        """Return the error for the first row of the page with a text that is too long."""
        row = next(row for row, value in enumerate(page[at]) if self._is_too_long(at, value))
        return Unwritable(
            Message(
                'A value of "%(column)s" has %(characters)s characters, but an Excel cell '
                "can have %(most)s at most. Choose CSV.",
                column=self._fields[at].header,
                characters=error.length,
                most=LONGEST,
            ),
            row=row,
        )

    def _is_too_long(self, at: int, value: object) -> bool:
        try:
            self._columns[at]([value])
        except TooLongError:
            return True
        return False
