"""Deflate streams in pieces, which can be concatenated even if different workers made them.

A piece ends with a full flush: it ends on a whole byte, and no later piece refers back to it. A
stream is any number of pieces followed by FINAL.
"""

from __future__ import annotations

from typing import Any

from isal import isal_zlib

# An empty block that is marked as the last one.
FINAL = b"\x03\x00"

# At isal's fastest level, compression costs next to nothing; zlib would halve the speed of an
# export. Levels 2 and 3 take longer and save one or two per cent.
_LEVEL = 1
_RAW = -isal_zlib.MAX_WBITS


def compressor() -> Any:
    """Return a compressor for one piece. Call `end` to finish the piece."""
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)


def end(compressor: Any) -> bytes:
    """Finish a piece; return its last bytes."""
    last: bytes = compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return last


def inflate(piece: bytes) -> bytes:
    """Return the uncompressed bytes of a piece."""
    return isal_zlib.decompressobj(_RAW).decompress(piece)
