"""Where the finished file is copied to: a file that is whole or not there, or standard output."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from exports.exceptions import ExportError
from exports.files import storage

if TYPE_CHECKING:
    from exports.models import Export


class CannotWrite(ExportError):
    """Nothing can be written there. The message says why, and what could be."""


class Damaged(ExportError):
    """The file in storage is not what was written."""


def check(target: str) -> None:
    """Whether a file could be made there: asked before the work. Raises CannotWrite."""
    path = Path(os.path.realpath(target))
    if path.is_dir():
        raise CannotWrite(f"{target} is a directory. Name a file in it.")
    if path.exists() and not path.is_file():
        raise CannotWrite(f"{target} is no regular file. For standard output write: --output -")
    if not path.parent.is_dir():
        raise CannotWrite(f"There is no directory {path.parent}. Make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise CannotWrite(f"You may not write to the directory {path.parent}.")


def to_file(export: Export, target: str) -> None:
    """Copy the file of `export`, so that `target` is whole or as it was before.

    Raises Damaged, or an OSError.
    """
    # Through a link to what it points at: a rename would put the file in the link's place.
    path = Path(os.path.realpath(target))
    beside = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            to_stream(export, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def to_stream(export: Export, stream: IO[bytes]) -> None:
    """Write the file of `export`. Raises Damaged in the end, if it was not what it should be."""
    digest = hashlib.sha256()
    with storage.open_file(export.file) as stored:
        while block := stored.read(storage.BLOCK):
            digest.update(block)
            stream.write(block)
    if digest.hexdigest() != export.sha256:
        raise Damaged(
            f"{export.file} in storage is damaged: its SHA-256 does not match. "
            f"Run the export again."
        )
