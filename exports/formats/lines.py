"""The base of the text formats. Their files are a head followed by lines.

The lines of all parts are concatenated. Compressed parts become a single gzip member.
"""

from __future__ import annotations

import io
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from exports.formats.gzip import BLOCK, GzipFile, GzipPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page

MAX_CACHED = 20_000  # Texts, which take a few megabytes.


class TextCache(dict[Any, str]):
    """Cache what `make` writes for each text, because names and codes repeat in most columns.

    `make` returns the written text, and whether to cache it. None is written as `none`.
    """

    def __init__(self, make: Callable[[str], tuple[str, bool]], none: str) -> None:
        super().__init__({None: none})
        self._make = make
        self._none = none

    def __missing__(self, text: str) -> str:
        written, may_cache = self._make(text)
        if may_cache:
            if len(self) > MAX_CACHED:
                self.clear()
                self[None] = self._none
            self[text] = written
        return written


class LinesPart:
    """One part of a text format, compressed if the options say so."""

    def __init__(self, out: Out, fields: Sequence[Field], options: Options) -> None:
        self.protected = 0
        self._fields = fields
        self._gzip = GzipPart(out) if options.gzip else None
        self._out: Out = self._gzip or out

    def write(self, page: Page) -> None:
        columns = map(self.column, range(len(page)), page)
        lines = self.join(columns)
        try:
            block = lines.encode()
        except UnicodeEncodeError:
            block = self.handle_surrogates(lines, page).encode()
        self.put(block)

    def write_lines(self, lines: Sequence[bytes | memoryview]) -> None:
        """Write lines that the database has formatted."""
        self.put(b"".join(lines))

    def column(self, number: int, values: Sequence[Any]) -> Iterable[str]:
        """Return the values of a column as they appear in a line."""
        raise NotImplementedError

    def join(self, columns: Iterable[Iterable[str]]) -> str:
        """Return the lines of a page."""
        raise NotImplementedError

    def handle_surrogates(self, lines: str, page: Page) -> str:
        """Return `lines` with halves of surrogate pairs escaped, or raise Unwritable."""
        raise NotImplementedError

    def put(self, block: bytes) -> None:
        self._out.write(block)

    def close(self) -> None:
        if self._gzip is not None:
            self._gzip.close()


class LinesWriter:
    """A text format. Subclasses set `part_class`, and implement `head` if the file has one."""

    part_class: type[LinesPart]

    def __init__(self, fields: Sequence[Field], options: Options) -> None:
        self.fields = fields
        self.options = options

    def part(self, out: Out) -> LinesPart:
        return self.part_class(out, self.fields, self.options)

    def head(self) -> bytes:
        """Return the bytes before the first row."""
        return b""

    def assemble(self, out: Out, parts: Iterable[IO[bytes]]) -> None:
        if self.options.gzip:
            self._assemble_gzip(out, parts)
            return
        if head := self.head():
            out.write(head)
        for part in parts:
            while block := part.read(BLOCK):
                out.write(block)

    def _assemble_gzip(self, out: Out, parts: Iterable[IO[bytes]]) -> None:
        head = io.BytesIO()
        head_part = GzipPart(head)
        head_part.write(self.head())
        head_part.close()
        file = GzipFile(out)
        for part in chain([head], parts):
            file.add(part)
        file.close()
