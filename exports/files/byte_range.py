"""Which bytes a request wants: the Range header of RFC 9110, section 14. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

# More digits than any file has bytes are no number that we would compute with.
_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """There is no such byte: 416."""


@dataclass(frozen=True)
class Range:
    """From the byte `first` to the byte `last`, which is in it, of `size`."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size}"


def wanted(header: str | None, size: int) -> Range | None:
    """The range that `header` asks for, of a file of `size` bytes; None for the whole file.

    Several ranges, another unit and what cannot be read count as none: the standard lets a
    server answer with the whole file, and every client understands that.
    """
    match = _ONE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return _suffix(int(match[2]), size)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None  # Not a range at all.
    if first >= size:
        raise Unsatisfiable
    return Range(first, min(last, size - 1), size)


def _suffix(length: int, size: int) -> Range | None:
    if length == 0:
        raise Unsatisfiable
    if size == 0:
        return None  # All of nothing, for which there is no Content-Range.
    return Range(max(size - length, 0), size - 1, size)
