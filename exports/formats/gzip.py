"""A gzip file with a single member, joined from parts.

Some programs read only the first of several members: PHP's gzdecode, a browser's
DecompressionStream. So a part is a piece of a deflate stream. After it come the CRC-32 and the size
of the uncompressed bytes, which the trailer of the file needs.
"""

from __future__ import annotations

import os
import struct
from typing import IO, TYPE_CHECKING

from isal import isal_zlib

from exports.formats.deflate import FINAL, compressor, end

if TYPE_CHECKING:
    from exports.formats.base import Out

BLOCK = 1024 * 1024

# Method deflate, no flags, no system, and no time, so that the same rows give the same bytes.
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_TRAILER = struct.Struct("<2I")  # CRC-32, and the size modulo 2**32.
_PART_TRAILER = struct.Struct("<IQ")  # CRC-32 and size.


class GzipPart:
    """Compress one part."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._compressor = compressor()
        self._buffer = bytearray()
        self._crc = self._size = 0

    def write(self, block: bytes) -> None:
        # The compressed bytes depend on how the input is cut into blocks, and the number of lines
        # that the database sends at once varies. Blocks of one size keep the result the same.
        self._buffer += block
        while len(self._buffer) >= BLOCK:
            self._compress(bytes(self._buffer[:BLOCK]))
            del self._buffer[:BLOCK]

    def close(self) -> None:
        self._compress(bytes(self._buffer))
        self._out.write(end(self._compressor) + _PART_TRAILER.pack(self._crc, self._size))

    def _compress(self, block: bytes) -> None:
        self._crc = isal_zlib.crc32(block, self._crc)
        self._size += len(block)
        self._out.write(self._compressor.compress(block))


class GzipFile:
    """Join parts to a file. Creating this object writes the header of the file."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._crc = self._size = 0
        out.write(_HEADER)

    def add(self, part: IO[bytes]) -> None:
        left = part.seek(-_PART_TRAILER.size, os.SEEK_END)
        crc, size = _PART_TRAILER.unpack(part.read())
        self._crc = isal_zlib.crc32_combine(self._crc, crc, size)
        self._size += size
        part.seek(0)
        while block := part.read(min(left, BLOCK)):
            self._out.write(block)
            left -= len(block)

    def close(self) -> None:
        """Finish the file. Call this once, after the last part."""
        self._out.write(FINAL + _TRAILER.pack(self._crc, self._size & 0xFFFF_FFFF))
