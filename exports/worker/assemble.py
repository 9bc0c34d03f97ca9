"""Make the file of its parts: in order, each as it was written, under its final name."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any

from exports.exceptions import WrongCount
from exports.files import storage
from exports.files.checksum import CRC32
from exports.i18n.message import Message
from exports.lifecycle import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exports.formats.base import Writer
    from exports.models import Export, Part

    # As `extract.Turn`, and is told how much is done, from 0 to 1.
    Turn = Callable[[float], None]


def assemble(export: Export, done: Sequence[Part], writer: Writer, turn: Turn) -> dict[str, Any]:
    """Store the file of `export`. Returns what its row says of it: file, bytes, sha256.

    Raises WrongCount when what is in storage is not what its parts were when written, or the
    file has not their rows; Stopped or Fenced when this attempt has been ended.
    """
    expected = sum(part.rows_done for part in done)
    digest = hashlib.sha256()
    advance = _Advance(done, turn)
    with storage.NewFile(digest) as new:
        rows = writer.assemble(_Watched(new, advance), _verified(done, advance))
        if rows is not None and rows != expected:
            raise WrongCount(
                Message(
                    "The file has %(rows)s rows, but its parts have %(expected)s. Run the export "
                    "again.",
                    rows=rows,
                    expected=expected,
                )
            )
        parts.check(export)
        name = new.store(storage.file_name(export))
    return {"file": name, "bytes": new.bytes, "sha256": digest.hexdigest()}


class _Advance:
    """Lets others have their turn between two blocks, and tells them how far it is.

    The bytes of each part are read twice, to be verified and to be joined. What they become
    may be fewer or more, so a part's second half ends with the part.
    """

    def __init__(self, parts: Sequence[Part], turn: Turn) -> None:
        self._turn = turn
        self._total = 2 * sum(part.bytes for part in parts)
        self._before = self._now = self._size = 0

    def begin(self, part: Part) -> None:
        self._before += 2 * self._size
        self._now, self._size = 0, part.bytes

    def add(self, size: int) -> None:
        self._now = min(self._now + size, 2 * self._size)
        self._turn((self._before + self._now) / self._total if self._total else 1.0)


class _Watched:
    """Tells of each block that is written."""

    def __init__(self, out: storage.NewFile, advance: _Advance) -> None:
        self._out = out
        self._advance = advance

    def write(self, block: bytes) -> None:
        self._out.write(block)
        self._advance.add(len(block))


def _verified(done: Sequence[Part], advance: _Advance) -> Iterator[IO[bytes]]:
    """Each part, open at its beginning, once it is known to be what was written."""
    for part in done:
        advance.begin(part)
        with closing(storage.open_file(part.file)) as file:
            _verify(part, file, advance)
            file.seek(0)
            yield file


def _verify(part: Part, file: IO[bytes], advance: _Advance) -> None:
    size, check = 0, CRC32()
    while block := file.read(storage.BLOCK):
        size += len(block)
        check.update(block)
        advance.add(len(block))
    if size != part.bytes:
        raise WrongCount(
            Message(
                "Part %(part)s has %(there)s bytes in storage, but %(bytes)s were written. "
                "Run the export again.",
                part=part.number,
                there=size,
                bytes=part.bytes,
            )
        )
    if check.value != part.crc32:
        raise WrongCount(
            Message(
                "Part %(part)s in storage is damaged: its CRC-32 does not match. Run the "
                "export again.",
                part=part.number,
            )
        )
