"""Files of exports in storage: the only code that opens them.

A file is written where nobody looks, and takes its name when it is whole: no partial file
ever looks complete. Each attempt has names of its own, so two workers never share a file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.core.files import File
from django.core.files.storage import default_storage

from exports.conf import conf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from exports.models import Export, Part

logger = logging.getLogger(__name__)

BLOCK = 1024 * 1024


def part_name(part: Part) -> str:
    return f"exports/{part.export_id}/part-{part.number:06}.{part.attempt}"


def file_name(export: Export) -> str:
    return f"exports/{export.pk}/{export.attempt}.{export.format}"


class NewFile:
    """A file in the making. `store` puts it in storage; leaving the block without drops it.

    with NewFile() as new:
        new.write(b"…")
        name = new.store("exports/…")
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = hashlib.sha256()
        Path(conf.WORK_DIR).mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix="part-", dir=conf.WORK_DIR)
        self._path = Path(path)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    def write(self, block: bytes) -> None:
        self._file.write(block)
        self._hash.update(block)
        self.bytes += len(block)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def store(self, name: str) -> str:
        """Put it in storage, whole. Returns the name that it has there."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        with self._path.open("rb") as whole:
            return default_storage.save(name, _Movable(whole, self._path))

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()  # On a full disk it fails once more: what was not written yet.
        except OSError:
            if error is None:
                raise
        finally:
            self._path.unlink(missing_ok=True)


class _Movable(File):  # type: ignore[type-arg]
    """Lets a storage on the same disk rename the file instead of copying it."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        super().__init__(file, name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def open_file(name: str) -> IO[Any]:
    """A stored file for reading, in binary. Raises FileNotFoundError."""
    opened: IO[Any] = default_storage.open(name, "rb")
    return opened


@contextmanager
def deleted_on_error(name: str) -> Iterator[None]:
    """Remove a stored file if the block, which would make a row name it, raises."""
    try:
        yield
    except BaseException:
        delete(name)
        raise


def delete(name: str) -> None:
    """Remove a stored file. What cannot be removed is logged: nothing depends on it."""
    try:
        default_storage.delete(name)
    # Storages raise what they like: S3's errors are no OSError.
    except Exception as error:  # noqa: BLE001
        logger.warning("%s could not be removed: %s", name, error)
