"""Parse the Range header of RFC 9110, section 14. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

# 19 digits are enough for any file. A header with longer numbers is ignored.
_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The file has none of these bytes. The status of the response is 416."""


@dataclass(frozen=True)
class Range:
    """The bytes from `first` to `last`, both included, of a file of `size` bytes."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size}"


def parse(header: str | None, size: int) -> Range | None:
    """Return the range in a Range `header`, for a file of `size` bytes; None for the whole file.

    A header with several ranges, another unit or a syntax error is ignored. Then the standard
    allows the whole file as the response, and every client can handle that. Raise Unsatisfiable.
    """
    match = _ONE.fullmatch(header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return _suffix(int(match[2]), size)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None  # The header is not valid, so it is ignored.
    if first >= size:
        raise Unsatisfiable
    return Range(first, min(last, size - 1), size)


def _suffix(length: int, size: int) -> Range | None:
    if length == 0:
        raise Unsatisfiable
    if size == 0:
        return None  # An empty file has no Content-Range.
    return Range(max(size - length, 0), size - 1, size)
