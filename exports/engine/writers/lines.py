"""What the text formats have in common: a file is a head and then lines, part after part.

So parts are joined as they are, gzip members too: a reader of gzip takes several, one
after the other, for one file (RFC 1952).
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from isal import isal_zlib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exports.engine.kinds import Field, Page
    from exports.engine.writers.base import Options, Out

BLOCK = 1024 * 1024
MOST_REMEMBERED = 20_000  # texts; a few megabytes

# isal's fastest level costs next to nothing beside the rows; zlib's would halve the speed.
GZIP_LEVEL, GZIP_FORM = 1, 31


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
        self._out = out
        self._packer = isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP_FORM) if options.gzip else None
        self._unpacked = bytearray()

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
        if self._packer is None:
            self._out.write(block)
            return
        # In blocks of one size: what comes out depends on how it is put in, and how many lines
        # the database sends at once depends on the moment.
        self._unpacked += block
        while len(self._unpacked) >= BLOCK:
            self._out.write(self._packer.compress(self._unpacked[:BLOCK]))
            del self._unpacked[:BLOCK]

    def close(self) -> None:
        if self._packer is not None:
            self._out.write(self._packer.compress(self._unpacked) + self._packer.flush())


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
        if head or self.options.gzip:  # Nothing at all is no gzip file.
            top = LinesPart(out, self.options)
            top.put(head)
            top.close()
        for part in parts:
            while block := part.read(BLOCK):
                out.write(block)
