"""Fill one sheet after another, each to its last row."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from exports.formats.deflate import inflate
from exports.formats.xlsx import book
from exports.formats.xlsx.rows import END, numbered
from exports.formats.xlsx.segments import compress, index
from exports.formats.xlsx.styles import stylesheet
from exports.formats.xlsx.zip import Archive

if TYPE_CHECKING:
    from exports.formats.base import Out


class Sheets:
    """Write a workbook. Each sheet has data in its rows `first` to `last`."""

    def __init__(self, out: Out, start: str, *, first: int, last: int) -> None:
        self._start = compress(start.encode())
        self._end = compress(book.SHEET_END.encode())
        self._first, self._last = first, last
        self.rows = 0  # The data rows on all sheets.
        self._sheets = 0
        self._archive = Archive(out)
        self._archive.add("_rels/.rels", book.RELATIONS)
        self._archive.add("xl/styles.xml", stylesheet())
        self._begin()

    def add(self, part: IO[bytes]) -> None:
        """Add the rows of a part, and number them."""
        for segment in index(part):
            # The last piece of the split is empty: each row ends with END.
            self._add(inflate(part.read(segment.size)).split(END)[:-1])

    def close(self) -> None:
        """Finish the last sheet and list all sheets. Call this once, after the last part."""
        self._finish()
        self._archive.add("xl/workbook.xml", book.workbook(self._sheets))
        self._archive.add("xl/_rels/workbook.xml.rels", book.workbook_relations(self._sheets))
        self._archive.add("[Content_Types].xml", book.content_types(self._sheets))
        self._archive.close()

    def _add(self, rows: list[bytes]) -> None:
        while rows:
            if self._next > self._last:
                self._finish()
                self._begin()
            fitting = rows[: self._last - self._next + 1]
            self._archive.write(*compress(numbered(fitting, self._next)))
            self._next += len(fitting)
            self.rows += len(fitting)
            rows = rows[len(fitting) :]

    def _begin(self) -> None:
        self._sheets += 1
        self._next = self._first
        self._archive.begin(book.sheet_name(self._sheets))
        self._archive.write(*self._start)

    def _finish(self) -> None:
        self._archive.write(*self._end)
        self._archive.end()
