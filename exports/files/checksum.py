"""The checksum of a part: it tells what has changed by accident, at no cost to speak of.

What people get has a SHA-256. That takes a second a gigabyte, which is not worth it for
files that live for minutes and that nobody but us can write.
"""

from __future__ import annotations

from isal import isal_zlib


class CRC32:
    """Used as those of hashlib are."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, block: bytes, /) -> None:
        self.value = isal_zlib.crc32(block, self.value)
