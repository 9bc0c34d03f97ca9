"""The container: a ZIP file whose entries are deflated already, written from first to last.

How large an entry is, nobody knows before its last part is there; so its sizes follow it, in a
data descriptor. Excel is said to be particular about that: beyond 4 GiB it repairs a file unless
the header in front of the entry names version 4.5, and has no extra field. So all have that
form, which is also what other libraries write that stream.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from isal import isal_zlib

from exports.formats.deflate import FINAL
from exports.formats.xlsx.segments import Segment, deflate

if TYPE_CHECKING:
    from exports.formats.base import Out

_LARGEST = 0xFFFF_FFFF  # Says, where it stands for a size: look into the extra field.
_MOST_ENTRIES = 0xFFFF

_VERSION, _VERSION_64 = 20, 45
_SIZES_FOLLOW = 0x08
_DEFLATED = 8
# 1 January 1980, 00:00, the first that there is: the same rows give the same bytes.
_TIME, _DATE = 0, 0x21

# Signature, version needed, flags, method, time, date, CRC-32, size deflated, size, and the
# lengths of the name and the extra field.
_HEADER = struct.Struct("<4s5H3I2H")
_DESCRIPTOR, _DESCRIPTOR_64 = struct.Struct("<4s3I"), struct.Struct("<4sI2Q")
# The same with the version that made it in front; then the length of a comment, the disk,
# attributes, and where the header is.
_DIRECTORY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")


class _Entry(NamedTuple):
    name: bytes
    offset: int
    crc: int = 0
    size: int = 0
    raw: int = 0

    def grown(self, segment: Segment) -> _Entry:
        return self._replace(
            crc=isal_zlib.crc32_combine(self.crc, segment.crc, segment.raw),
            size=self.size + segment.size,
            raw=self.raw + segment.raw,
        )


class Archive:
    """Entries, one after another, and the directory of them."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._offset = 0
        self._entries: list[_Entry] = []

    def add(self, name: str, document: str) -> None:
        """A whole entry."""
        self.begin(name)
        self.write(*deflate(document.encode()))
        self.end()

    def begin(self, name: str) -> None:
        """An entry, of all segments until its end."""
        entry = _Entry(name.encode("ascii"), self._offset)
        self._entries.append(entry)
        self._put(
            _HEADER.pack(
                b"PK\3\4",
                _VERSION_64,
                _SIZES_FOLLOW,
                _DEFLATED,
                _TIME,
                _DATE,
                *(0, 0, 0),
                *(len(entry.name), 0),
            )
            + entry.name
        )

    def write(self, segment: Segment, data: bytes) -> None:
        self._put(data)
        self._entries[-1] = self._entries[-1].grown(segment)

    def end(self) -> None:
        self._put(FINAL)
        entry = self._entries[-1]
        entry = self._entries[-1] = entry._replace(size=entry.size + len(FINAL))
        large = max(entry.size, entry.raw) > _LARGEST
        form = _DESCRIPTOR_64 if large else _DESCRIPTOR
        self._put(form.pack(b"PK\7\x08", entry.crc, entry.size, entry.raw))

    def close(self) -> None:
        """The directory. To be called once, after the last entry."""
        start = self._offset
        for entry in self._entries:
            self._put(_listed(entry))
        self._put(_end(len(self._entries), self._offset - start, start))

    def _put(self, block: bytes) -> None:
        self._out.write(block)
        self._offset += len(block)


def _listed(entry: _Entry) -> bytes:
    """The entry, as the directory has it."""
    # In this order, and only those that are too large for their own places.
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
            *(0, 0, 0, 0),
            min(entry.offset, _LARGEST),
        )
        + entry.name
        + extra
    )


def _end(entries: int, size: int, offset: int) -> bytes:
    """What readers look for first, at the very end: where the directory is."""
    end = _END.pack(
        b"PK\5\6",
        *(0, 0),
        *(min(entries, _MOST_ENTRIES), min(entries, _MOST_ENTRIES)),
        *(min(size, _LARGEST), min(offset, _LARGEST)),
        0,
    )
    if entries < _MOST_ENTRIES and max(size, offset) < _LARGEST:
        return end
    # The size is that of what follows it.
    end_64 = _END_64.pack(
        *(b"PK\6\6", _END_64.size - 12, _VERSION_64, _VERSION_64, 0, 0),
        *(entries, entries, size, offset),
    )
    return end_64 + _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1) + end
