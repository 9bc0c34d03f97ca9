"""The format of a part: compressed segments of rows, and an index of the segments.

Each segment is a piece of a deflate stream that can be inflated by itself. The index follows the
segments: JSON, and then the length of the JSON.
"""

from __future__ import annotations

import json
import os
import struct
from typing import IO, TYPE_CHECKING, NamedTuple

from isal import isal_zlib

from exports.formats.deflate import compressor, end

if TYPE_CHECKING:
    from exports.formats.base import Out

# The least bytes of rows in a segment, apart from the last one. Small segments compress badly.
_SMALLEST = 512 * 1024
_LENGTH = struct.Struct("<I")


class Segment(NamedTuple):
    """The entry of a segment in the index."""

    rows: int
    raw: int  # Bytes before compression.
    size: int  # Bytes after compression.
    crc: int  # CRC-32 of the bytes before compression.


def compress(raw: bytes, rows: int = 0) -> tuple[Segment, bytes]:
    """Compress `raw` to a segment; return its entry and its bytes."""
    packer = compressor()
    data = packer.compress(raw) + end(packer)
    return Segment(rows, len(raw), len(data), isal_zlib.crc32(raw)), data


def index(part: IO[bytes]) -> list[Segment]:
    """Return the index of a part, and seek to the first segment."""
    end_of_index = part.seek(-_LENGTH.size, os.SEEK_END)
    (length,) = _LENGTH.unpack(part.read(_LENGTH.size))
    part.seek(end_of_index - length)
    segments = [Segment(*each) for each in json.loads(part.read(length))]
    part.seek(0)
    return segments


class Segments:
    """Write a part."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._index: list[Segment] = []
        self._raw: list[bytes] = []
        self._rows = 0
        self._size = 0

    def write(self, raw: bytes, rows: int) -> None:
        """Add rows to the current segment. Write the segment when it is large enough."""
        self._raw.append(raw)
        self._rows += rows
        self._size += len(raw)
        if self._size >= _SMALLEST:
            self._flush()

    def close(self) -> None:
        """Write the last segment and the index."""
        if self._raw:
            self._flush()
        listed = json.dumps(self._index).encode()
        self._out.write(listed + _LENGTH.pack(len(listed)))

    def _flush(self) -> None:
        segment, data = compress(b"".join(self._raw), self._rows)
        self._out.write(data)
        self._index.append(segment)
        self._raw, self._rows, self._size = [], 0, 0
