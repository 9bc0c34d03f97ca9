"""A ZIP file that is written from first to last byte, from entries that are compressed already.

The size of an entry is known after its last part, so the sizes follow the entry in a data
descriptor. Beyond 4 GiB, Excel is said to "repair" a file unless the header of the entry names
version 4.5 and has no extra field. So all entries have this form, which other libraries that
stream ZIP files use as well.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from isal import isal_zlib

from exports.formats.deflate import FINAL
from exports.formats.xlsx.segments import Segment, compress

if TYPE_CHECKING:
    from exports.formats.base import Out

# The largest 32-bit number. In a field for a size or an offset, it means that the extra field or
# the ZIP64 record has the real number.
_LARGEST = 0xFFFF_FFFF
_MOST_ENTRIES = 0xFFFF

_VERSION, _VERSION_64 = 20, 45
_SIZES_FOLLOW = 0x08
_DEFLATED = 8
# 1 January 1980, 00:00. With one fixed time, the same rows give the same bytes.
_TIME, _DATE = 0, 0x21

# Fields that are always zero are written as "x".
# Signature, version needed, flags, method, time and date; CRC-32 and both sizes are zero; the
# lengths of the name and of the extra field, which is empty.
_HEADER = struct.Struct("<4s5H12xH2x")
_DESCRIPTOR, _DESCRIPTOR_64 = struct.Struct("<4s3I"), struct.Struct("<4sI2Q")
# Like _HEADER, but with the version of the writer before the version needed. At the end come the
# length of a comment, the disk and attributes, which are all zero, and the offset of the header.
_DIRECTORY = struct.Struct("<4s6H3I2H10xI")
_END = struct.Struct("<4s4x2H2I2x")
_END_64 = struct.Struct("<4sQ2H8x4Q")
_LOCATOR = struct.Struct("<4sIQI")


class _Entry(NamedTuple):
    name: bytes
    offset: int
    crc: int = 0
    size: int = 0
    raw: int = 0

    def with_segment(self, segment: Segment) -> _Entry:
        return self._replace(
            crc=isal_zlib.crc32_combine(self.crc, segment.crc, segment.raw),
            size=self.size + segment.size,
            raw=self.raw + segment.raw,
        )


class Archive:
    """Write entries, one after another, and their directory."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._offset = 0
        self._entries: list[_Entry] = []

    def add(self, name: str, document: str) -> None:
        """Write a whole entry."""
        self.begin(name)
        self.write(*compress(document.encode()))
        self.end()

    def begin(self, name: str) -> None:
        """Begin an entry. The segments until `end` belong to it."""
        entry = _Entry(name.encode("ascii"), self._offset)
        self._entries.append(entry)
        self._put(
            _HEADER.pack(
                b"PK\3\4", _VERSION_64, _SIZES_FOLLOW, _DEFLATED, _TIME, _DATE, len(entry.name)
            )
            + entry.name
        )

    def write(self, segment: Segment, data: bytes) -> None:
        self._put(data)
        self._entries[-1] = self._entries[-1].with_segment(segment)

    def end(self) -> None:
        self._put(FINAL)
        entry = self._entries[-1]
        entry = self._entries[-1] = entry._replace(size=entry.size + len(FINAL))
        large = max(entry.size, entry.raw) >= _LARGEST
        form = _DESCRIPTOR_64 if large else _DESCRIPTOR
        self._put(form.pack(b"PK\7\x08", entry.crc, entry.size, entry.raw))

    def close(self) -> None:
        """Write the directory. Call this once, after the last entry."""
        start = self._offset
        for entry in self._entries:
            self._put(_directory_record(entry))
        self._put(_end(len(self._entries), self._offset - start, start))

    def _put(self, block: bytes) -> None:
        self._out.write(block)
        self._offset += len(block)


def _directory_record(entry: _Entry) -> bytes:
    """Return the record of `entry` in the directory."""
    # The extra field has only the numbers that are too large for the record, in this order.
    large = [each for each in (entry.raw, entry.size, entry.offset) if each >= _LARGEST]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    return (
        _DIRECTORY.pack(
            b"PK\1\2",
            _VERSION_64,
            _VERSION_64 if large else _VERSION,
            _SIZES_FOLLOW,
            _DEFLATED,
            _TIME,
            _DATE,
            entry.crc,
            min(entry.size, _LARGEST),
            min(entry.raw, _LARGEST),
            len(entry.name),
            len(extra),
            min(entry.offset, _LARGEST),
        )
        + entry.name
        + extra
    )


def _end(entries: int, size: int, offset: int) -> bytes:
    """Return the end of the file, where readers find the place of the directory."""
    shown = min(entries, _MOST_ENTRIES)
    end = _END.pack(b"PK\5\6", shown, shown, min(size, _LARGEST), min(offset, _LARGEST))
    if entries < _MOST_ENTRIES and max(size, offset) < _LARGEST:
        return end
    # The size in this record counts the bytes after it.
    end_64 = _END_64.pack(
        b"PK\6\6", _END_64.size - 12, _VERSION_64, _VERSION_64, entries, entries, size, offset
    )
    return end_64 + _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1) + end
