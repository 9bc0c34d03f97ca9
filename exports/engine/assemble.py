"""Make the file of its parts: in order, each as it was written, under its final name."""

from __future__ import annotations

from contextlib import closing
from typing import IO, TYPE_CHECKING

from isal import isal_zlib

from exports.engine import store
from exports.exceptions import WrongCount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exports.engine.extract import Turn
    from exports.engine.writers.base import Writer
    from exports.models import Export, Part


def assemble(
    export: Export, parts: Sequence[Part], writer: Writer, turn: Turn
) -> tuple[str, store.NewFile]:
    """Store the file of `export`. Returns its name there and what was written.

    Raises WrongCount when what is in storage is not what its parts were when written.
    """
    with store.NewFile() as new:
        writer.assemble(_Watched(new, turn), _verified(parts, turn))
        turn(now=True)
        return new.store(store.file_name(export)), new


class _Watched:
    """Lets others have their turn between two blocks that are written."""

    def __init__(self, out: store.NewFile, turn: Turn) -> None:
        self._out = out
        self._turn = turn

    def write(self, block: bytes) -> None:
        self._out.write(block)
        self._turn()


def _verified(parts: Sequence[Part], turn: Turn) -> Iterator[IO[bytes]]:
    """Each part, open at its beginning, once it is known to be what was written."""
    for part in parts:
        with closing(store.open_file(part.file)) as file:
            _verify(part, file, turn)
            file.seek(0)
            yield file


def _verify(part: Part, file: IO[bytes], turn: Turn) -> None:
    size = crc32 = 0
    while block := file.read(store.BLOCK):
        size += len(block)
        crc32 = isal_zlib.crc32(block, crc32)
        turn()
    if size != part.bytes:
        raise WrongCount(
            f"Part {part.number} has {size} bytes in storage and had {part.bytes} when it was "
            f"written. Run the export again."
        )
    if crc32 != part.crc32:
        raise WrongCount(
            f"Part {part.number} in storage is not what was written: its CRC-32 is another. "
            f"Run the export again."
        )
