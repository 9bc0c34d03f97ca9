"""What all writers have in common: how they are called.

A file is made in parts, by any worker and in any order, and then assembled. A writer
knows no Django, no storage, and not which part is whose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.kinds import Field, Page


@dataclass(frozen=True)
class Options:
    """How a file is written. Each format takes those that mean something to it."""

    delimiter: str = ","  # CSV: one character
    bom: bool = False  # CSV: a byte order mark, by which Excel knows UTF-8
    header: bool = True  # CSV, XLSX: a first row of headers
    gzip: bool = False  # CSV, JSON Lines
    protect: bool = True  # CSV, XLSX: cells that look like formulas are made harmless


class Out(Protocol):
    """Where bytes go."""

    def write(self, block: bytes, /) -> Any: ...


class PartWriter(Protocol):
    """Writes one part. `protected` counts its cells that looked like formulas."""

    protected: int

    def write(self, page: Page) -> None:
        """Some rows, in order. Raises Unwritable for a value that the format cannot hold."""
        ...

    def close(self) -> None:
        """The part is whole. To be called once, after the last `write`."""
        ...


class Writer(Protocol):
    """One format, for files with these columns."""

    def __init__(self, fields: Sequence[Field], options: Options) -> None: ...

    def part(self, out: Out) -> PartWriter:
        """Begin a part, whose bytes go to `out`."""
        ...

    def assemble(self, out: Out, parts: Iterable[IO[bytes]]) -> int | None:
        """Write the whole file from its parts, in order. Each is open, and can be sought in.

        Return how many rows the file has; None where that cannot be told without reading them.
        The caller closes a part when it gives the next one. No parts: a file without rows.
        """
        ...
