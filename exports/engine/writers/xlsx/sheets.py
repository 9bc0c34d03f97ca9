"""Sheets, each filled to its last row before the next begins."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from exports.engine.writers.xlsx import book
from exports.engine.writers.xlsx.segments import Segment, cut, deflate, index
from exports.engine.writers.xlsx.styles import stylesheet
from exports.engine.writers.xlsx.zip import Archive

if TYPE_CHECKING:
    from exports.engine.writers.base import Out


class Sheets:
    """A workbook in the making. `room` is how many rows of values a sheet has."""

    def __init__(self, out: Out, start: str, room: int) -> None:
        self._start = deflate(start.encode())
        self._end = deflate(book.SHEET_END.encode())
        self._room = room
        self._sheets = 0
        self._archive = Archive(out)
        self._archive.add("_rels/.rels", book.RELATIONS)
        self._archive.add("xl/styles.xml", stylesheet())
        self._begin()

    def add(self, part: IO[bytes]) -> None:
        """The rows of a part. They are copied as they are, but for where a sheet ends."""
        for segment in index(part):
            self._add(segment, part.read(segment.size))

    def close(self) -> None:
        """The last sheet, and what tells of the sheets. To be called once, after the last part."""
        self._finish()
        self._archive.add("xl/workbook.xml", book.workbook(self._sheets))
        self._archive.add("xl/_rels/workbook.xml.rels", book.workbook_relations(self._sheets))
        self._archive.add("[Content_Types].xml", book.content_types(self._sheets))
        self._archive.close()

    def _add(self, segment: Segment, data: bytes) -> None:
        while segment.rows > self._left:
            if self._left:
                first, (segment, data) = cut(segment, data, self._left)
                self._archive.write(*first)
            self._finish()
            self._begin()
        self._archive.write(segment, data)
        self._left -= segment.rows

    def _begin(self) -> None:
        self._sheets += 1
        self._left = self._room
        self._archive.begin(book.sheet_name(self._sheets))
        self._archive.write(*self._start)

    def _finish(self) -> None:
        self._archive.write(*self._end)
        self._archive.end()
