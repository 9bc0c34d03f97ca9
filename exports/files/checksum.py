"""The checksum of a part, which detects accidental changes and costs almost nothing.

The file that people download has a SHA-256. It takes a second for each gigabyte, which is too much
for parts: they exist for minutes, and only workers can write them.
"""

from __future__ import annotations

from isal import isal_zlib


class CRC32:
    """A CRC-32 with the interface of hashlib's hashes."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, block: bytes, /) -> None:
        self.value = isal_zlib.crc32(block, self.value)
