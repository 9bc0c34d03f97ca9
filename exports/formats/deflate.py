"""Deflate streams in pieces that can be joined as they are, whoever has made them.

A piece ends with a full flush: at the edge of a byte, and nothing that follows refers to what is
before it. A stream is any number of pieces, and FINAL.
"""

from __future__ import annotations

from typing import Any

from isal import isal_zlib

# An empty block that says that it is the last.
FINAL = b"\x03\x00"

# isal's fastest level costs next to nothing beside the rows; zlib's would halve the speed. 2 and 3
# take longer, and save one and two per cent.
_LEVEL = 1
_RAW = -isal_zlib.MAX_WBITS


def compressor() -> Any:
    """Makes one piece. To be ended with `end`."""
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)


def end(compressor: Any) -> bytes:
    """The rest of a piece."""
    rest: bytes = compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return rest


def inflate(piece: bytes) -> bytes:
    """What a piece was made of."""
    return isal_zlib.decompressobj(_RAW).decompress(piece)
