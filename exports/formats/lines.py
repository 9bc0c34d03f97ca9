"""What the text formats have in common: a file is a head and then lines, part after part.

So parts are joined as they are; packed ones become one member of gzip.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

from exports.formats.gzip import BLOCK, GzipFile, GzipPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page

MOST_REMEMBERED = 20_000  # texts; a few megabytes


class Remembered(dict[Any, str]):
    """What `make` makes of a text, remembered: names and codes come again and again.

    None is `nothing`. `make` returns what is to be written, and whether to remember it.
    """

    def __init__(self, make: Callable[[str], tuple[str, bool]], nothing: str) -> None:
        super().__init__({None: nothing})
        self._make = make
        self._nothing = nothing

    def __missing__(self, text: str) -> str:
        made, remember = self._make(text)
        if remember:
            if len(self) > MOST_REMEMBERED:
                self.clear()
                self[None] = self._nothing
            self[text] = made
        return made


class LinesPart:
    """A part of lines, packed if that is wanted."""

    def __init__(self, out: Out, options: Options) -> None:
        self.protected = 0
        self._packer = GzipPart(out) if options.gzip else None
        self._out: Out = self._packer or out

    def write(self, page: Page) -> None:
        columns = map(self.column, range(len(page)), page)
        lines = self.join(columns)
        try:
            block = lines.encode()
        except UnicodeEncodeError:
            block = self.unencodable(lines, page).encode()
        self.put(block)

    def write_lines(self, lines: Sequence[bytes | memoryview]) -> None:
        """Lines that the database has made."""
        self.put(b"".join(lines))

    def column(self, number: int, values: Sequence[Any]) -> Iterable[str]:
        """The values of one column, as they stand in a line."""
        raise NotImplementedError

    def join(self, columns: Iterable[Iterable[str]]) -> str:
        """The lines of a page."""
        raise NotImplementedError

    def unencodable(self, lines: str, page: Page) -> str:
        """The lines of `page` in other words, if half a surrogate pair can be written at all."""
        raise NotImplementedError

    def put(self, block: bytes) -> None:
        self._out.write(block)

    def close(self) -> None:
        if self._packer is not None:
            self._packer.close()


class LinesWriter:
    """A text format. Subclasses say how a part is written, and what stands before all rows."""

    def __init__(self, fields: Sequence[Field], options: Options) -> None:
        self.fields = fields
        self.options = options

    def part(self, out: Out) -> LinesPart:
        raise NotImplementedError

    def head(self) -> bytes:
        """What comes before the first row."""
        return b""

    def assemble(self, out: Out, parts: Iterable[IO[bytes]]) -> None:
        head = self.head()
        if self.options.gzip:
            self._pack(out, head, parts)
            return
        if head:
            out.write(head)
        for part in parts:
            while block := part.read(BLOCK):
                out.write(block)

    def _pack(self, out: Out, head: bytes, parts: Iterable[IO[bytes]]) -> None:
        packed, top = GzipFile(out), io.BytesIO()
        made = GzipPart(top)
        made.write(head)
        made.close()
        packed.add(top)
        for part in parts:
            packed.add(part)
        packed.close()
