"""Assemble the file: join the parts in order, verify each, and store it under its final name."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
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

    # Called after each block with the finished share, from 0 to 1. It raises to end the work.
    Checkpoint = Callable[[float], None]


def assemble(
    export: Export, done: Sequence[Part], writer: Writer, checkpoint: Checkpoint
) -> dict[str, Any]:
    """Store the file of `export`, and return its name, bytes and sha256.

    Raises WrongCount if a part in storage differs from the part that was written, or if the file
    has a wrong number of rows. Raises Stopped or Fenced if this attempt should not continue.
    """
    expected = sum(part.rows_done for part in done)
    digest = hashlib.sha256()
    progress = _Progress(done, checkpoint)
    with storage.NewFile(digest) as new:
        rows = writer.assemble(_CountedFile(new, progress), _verified(done, progress))
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


class _Progress:
    """Pass the finished share to `checkpoint` after each block.

    The bytes of a part count twice, because it is first verified and then joined. Joining may write
    fewer or more bytes than the part has, so the next part starts at the exact share.
    """

    def __init__(self, parts: Sequence[Part], checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._total = 2 * sum(part.bytes for part in parts)
        self._before = self._now = self._size = 0

    def begin(self, part: Part) -> None:
        self._before += 2 * self._size
        self._now, self._size = 0, part.bytes

    def add(self, size: int) -> None:
        self._now = min(self._now + size, 2 * self._size)
        self._checkpoint((self._before + self._now) / self._total if self._total else 1.0)


@dataclass
class _CountedFile:
    """Count each block that is written to the file as progress."""

    out: storage.NewFile
    progress: _Progress

    def write(self, block: bytes) -> None:
        self.out.write(block)
        self.progress.add(len(block))


def _verified(done: Sequence[Part], progress: _Progress) -> Iterator[IO[bytes]]:
    """Verify each part, then yield its file at position 0."""
    for part in done:
        progress.begin(part)
        with closing(storage.open_file(part.file)) as file:
            _verify(part, file, progress)
            file.seek(0)
            yield file


def _verify(part: Part, file: IO[bytes], progress: _Progress) -> None:
    size, check = 0, CRC32()
    while block := file.read(storage.BLOCK):
        size += len(block)
        check.update(block)
        progress.add(len(block))
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
