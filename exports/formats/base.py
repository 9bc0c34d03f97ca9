"""The interface that all formats implement.

A file is written in parts, by any worker and in any order, and then assembled. A writer knows
neither Django nor the storage, and does not know which part it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.kinds import Field, Page


@dataclass(frozen=True)
class Options:
    """The options of a file. Each format ignores the options of other formats."""

    delimiter: str = ","  # CSV: one character.
    bom: bool = False  # CSV: a byte order mark, by which Excel recognizes UTF-8.
    header: bool = True  # CSV and XLSX: a first row of headers.
    gzip: bool = False  # CSV and JSON Lines.
    protect: bool = True  # CSV and XLSX: a spreadsheet must not run any text as a formula.


class Out(Protocol):
    """The output of a writer: anything that bytes can be written to."""

    def write(self, block: bytes, /) -> Any: ...


class PartWriter(Protocol):
    """Write one part. `protected` counts its cells that looked like formulas."""

    protected: int

    def write(self, page: Page) -> None:
        """Write rows, in order. Raise Unwritable for a value that the format cannot hold."""
        ...

    def close(self) -> None:
        """Finish the part. Call this once, after the last `write`."""
        ...


class Writer(Protocol):
    """Write files of one format with the columns `fields`."""

    def __init__(self, fields: Sequence[Field], options: Options) -> None: ...

    def part(self, out: Out) -> PartWriter:
        """Begin a part, and write its bytes to `out`."""
        ...

    def assemble(self, out: Out, parts: Iterable[IO[bytes]]) -> int | None:
        """Write the whole file from its parts, which are seekable and in order.

        Return the number of rows in the file; None if the format does not know it without reading
        them. The caller may close a part when this asks for the next one. Without parts, the file
        has no rows.
        """
        ...
