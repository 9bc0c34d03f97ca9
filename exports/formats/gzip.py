"""A gzip file of one member, made of parts.

Some readers take only the first of several members: PHP's gzdecode, a browser's
DecompressionStream. So a part is a piece of a deflate stream, and behind it what the trailer of
the file needs: the CRC-32 and the size of what was packed.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from isal import isal_zlib

from exports.formats.deflate import FINAL, compressor, end

if TYPE_CHECKING:
    from exports.formats.base import Out

BLOCK = 1024 * 1024

# Deflated; no flags, no time (the same rows give the same bytes), no system.
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_TRAILER = struct.Struct("<2I")  # CRC-32, and the size modulo 2**32.
_OF_PART = struct.Struct("<IQ")


class GzipPart:
    """Packs one part."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._packer = compressor()
        self._waiting = bytearray()
        self._crc = self._size = 0

    def write(self, block: bytes) -> None:
        # In blocks of one size: what comes out depends on how it is put in, and how many lines
        # the database sends at once depends on the moment.
        self._waiting += block
        while len(self._waiting) >= BLOCK:
            self._pack(bytes(self._waiting[:BLOCK]))
            del self._waiting[:BLOCK]

    def close(self) -> None:
        self._pack(bytes(self._waiting))
        self._out.write(end(self._packer) + _OF_PART.pack(self._crc, self._size))

    def _pack(self, block: bytes) -> None:
        self._crc = isal_zlib.crc32(block, self._crc)
        self._size += len(block)
        self._out.write(self._packer.compress(block))


class GzipFile:
    """Joins parts. Begins the file at once."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._crc = self._size = 0
        out.write(_HEADER)

    def add(self, part: IO[bytes]) -> None:
        left = part.seek(-_OF_PART.size, 2)
        crc, size = _OF_PART.unpack(part.read())
        self._crc = isal_zlib.crc32_combine(self._crc, crc, size)
        self._size += size
        part.seek(0)
        while block := part.read(min(left, BLOCK)):
            self._out.write(block)
            left -= len(block)

    def close(self) -> None:
        """To be called once, after the last part."""
        self._out.write(FINAL + _TRAILER.pack(self._crc, self._size & 0xFFFF_FFFF))
