"""Rows as raw deflate segments that can be joined as they are, with an index of them.

A segment ends with a full flush: at the edge of a byte, with nothing before it that what
follows would refer to. So it can be inflated by itself, and a deflate stream is any number of
segments and FINAL. A part is its segments, then the index: JSON, and the length of that.
"""

from __future__ import annotations

import json
import struct
from typing import IO, TYPE_CHECKING, NamedTuple

from isal import isal_zlib

if TYPE_CHECKING:
    from exports.engine.writers.base import Out

# An empty block that says that it is the last.
FINAL = b"\x03\x00"

# 2 and 3 take longer, and save one and two per cent.
_LEVEL = 1
_RAW = -isal_zlib.MAX_WBITS
# A segment has at least so many bytes of rows, if there are as many: small ones deflate badly.
_SMALLEST = 512 * 1024
_LENGTH = struct.Struct("<I")
_END_OF_ROW = b"</row>"


class Segment(NamedTuple):
    """What has to be known of a segment to join it: its rows, bytes before and after, CRC-32."""

    rows: int
    raw: int
    size: int
    crc: int


def deflate(raw: bytes, rows: int = 0) -> tuple[Segment, bytes]:
    """A segment of this."""
    deflater = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
    data = deflater.compress(raw) + deflater.flush(isal_zlib.Z_FULL_FLUSH)
    return Segment(rows, len(raw), len(data), isal_zlib.crc32(raw)), data


def cut(segment: Segment, data: bytes, rows: int) -> tuple[tuple[Segment, bytes], ...]:
    """Two segments, the first of so many rows."""
    raw = isal_zlib.decompressobj(_RAW).decompress(data)
    # In text there is no "<": it is escaped.
    rest = raw.split(_END_OF_ROW, rows)[-1]
    first = raw[: len(raw) - len(rest)]
    return deflate(first, rows), deflate(rest, segment.rows - rows)


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
