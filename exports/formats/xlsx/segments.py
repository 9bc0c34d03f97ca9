"""Rows as pieces of a deflate stream, and an index of the pieces.

Each piece, a segment, can be inflated by itself. A part is its segments, then the index: JSON, and
the length of that.
"""

from __future__ import annotations

import json
import struct
from typing import IO, TYPE_CHECKING, NamedTuple

from isal import isal_zlib

from exports.formats.deflate import compressor, end

if TYPE_CHECKING:
    from exports.formats.base import Out

# A segment has at least so many bytes of rows, if there are as many: small ones deflate badly.
_SMALLEST = 512 * 1024
_LENGTH = struct.Struct("<I")


class Segment(NamedTuple):
    """What has to be known of a segment: its rows, bytes before and after, CRC-32."""

    rows: int
    raw: int
    size: int
    crc: int


def deflate(raw: bytes, rows: int = 0) -> tuple[Segment, bytes]:
    """A segment of this."""
    packer = compressor()
    data = packer.compress(raw) + end(packer)
    return Segment(rows, len(raw), len(data), isal_zlib.crc32(raw)), data


def index(part: IO[bytes]) -> list[Segment]:
    """The segments of a part. It is at the first of them then."""
    part.seek(-_LENGTH.size, 2)
    end = part.tell()
    (length,) = _LENGTH.unpack(part.read(_LENGTH.size))
    part.seek(end - length)
    segments = [Segment(*each) for each in json.loads(part.read(length))]
    part.seek(0)
    return segments


class Segments:
    """Writes a part."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._index: list[Segment] = []
        self._raw: list[bytes] = []
        self._rows = 0
        self._size = 0

    def write(self, raw: bytes, rows: int) -> None:
        """These rows. A segment is made of them when there are enough."""
        self._raw.append(raw)
        self._rows += rows
        self._size += len(raw)
        if self._size >= _SMALLEST:
            self._flush()

    def close(self) -> None:
        """What is left, and the index."""
        if self._raw:
            self._flush()
        listed = json.dumps(self._index).encode()
        self._out.write(listed + _LENGTH.pack(len(listed)))

    def _flush(self) -> None:
        segment, data = deflate(b"".join(self._raw), self._rows)
        self._out.write(data)
        self._index.append(segment)
        self._raw, self._rows, self._size = [], 0, 0
