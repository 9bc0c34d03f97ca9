"""Copy the finished file to standard output, or to a file that is never incomplete."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from exports.exceptions import ExportError
from exports.files import storage
from exports.management.terminal.arguments import Refused

if TYPE_CHECKING:
    from exports.models import Export


class Damaged(ExportError):
    """The file in storage differs from the file that was written."""


def check(target: str) -> None:
    """Raise Refused if no file can be created at `target`. Call it before the export starts."""
    path = Path(os.path.realpath(target))
    if path.is_dir():
        raise Refused(f"{target} is a directory. Name a file in it.")
    if path.exists() and not path.is_file():
        raise Refused(f"{target} is not a regular file. For standard output use: --output -")
    if not path.parent.is_dir():
        raise Refused(f"There is no directory {path.parent}. Create it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Refused(f"You have no permission to write to the directory {path.parent}.")


def to_file(export: Export, target: str) -> None:
    """Copy the file of `export` to `target`. After an error, `target` is as it was before.

    Raises Damaged, or an OSError.
    """
    # Without realpath(), the rename would replace a symbolic link instead of its target.
    path = Path(os.path.realpath(target))
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            to_stream(export, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def to_stream(export: Export, stream: IO[bytes]) -> None:
    """Write the file of `export`. Raises Damaged at the end if its checksum does not match."""
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
