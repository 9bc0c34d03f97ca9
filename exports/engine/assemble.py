"""Make the file of its parts: in order, each as it was written, under its final name."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any

from exports import parts
from exports.engine import store
from exports.engine.crc32 import CRC32
from exports.exceptions import WrongCount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exports.engine.extract import Turn
    from exports.engine.writers.base import Writer
    from exports.models import Export, Part


def assemble(export: Export, done: Sequence[Part], writer: Writer, turn: Turn) -> dict[str, Any]:
    """Store the file of `export`. Returns what its row says of it: file, bytes, sha256.

    Raises WrongCount when what is in storage is not what its parts were when written; Stopped
    or Fenced when this attempt has been ended.
    """
    digest = hashlib.sha256()
    with store.NewFile(digest) as new:
        writer.assemble(_Watched(new, turn), _verified(done, turn))
        parts.check(export)
        name = new.store(store.file_name(export))
    return {"file": name, "bytes": new.bytes, "sha256": digest.hexdigest()}


class _Watched:
    """Lets others have their turn between two blocks that are written."""

    def __init__(self, out: store.NewFile, turn: Turn) -> None:
        self._out = out
        self._turn = turn

    def write(self, block: bytes) -> None:
        self._out.write(block)
        self._turn()


def _verified(done: Sequence[Part], turn: Turn) -> Iterator[IO[bytes]]:
    """Each part, open at its beginning, once it is known to be what was written."""
    for part in done:
        with closing(store.open_file(part.file)) as file:
            _verify(part, file, turn)
            file.seek(0)
            yield file


def _verify(part: Part, file: IO[bytes], turn: Turn) -> None:
    size, check = 0, CRC32()
    while block := file.read(store.BLOCK):
        size += len(block)
        check.update(block)
        turn()
    if size != part.bytes:
        raise WrongCount(
            f"Part {part.number} has {size} bytes in storage and had {part.bytes} when it was "
            f"written. Run the export again."
        )
    if check.value != part.crc32:
        raise WrongCount(
            f"Part {part.number} in storage is not what was written: its CRC-32 is another. "
            f"Run the export again."
        )
