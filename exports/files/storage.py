"""The stored files of exports. No other code opens them.

A file is written to the work directory and moves to the storage when it is complete, so no partial
file looks complete. Each attempt uses its own names, so two workers never write the same file.

A storage may raise any error. It becomes StorageFailed, unless it is an OSError, whose text is
clear enough.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils.translation import gettext_noop

from exports.conf import conf
from exports.exceptions import ExportError, StorageFailed
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from exports.models import Export, Part

logger = logging.getLogger(__name__)

BLOCK = 1024 * 1024  # Bytes that callers read from a stored file at once.

FOLDER = "exports"
# The names that are made here, also with the suffix that Django adds to a name that is taken. The
# database stores names. If a row has another path, nothing is opened or deleted.
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME = re.compile(rf"{FOLDER}/{_UUID}/[A-Za-z0-9][A-Za-z0-9._-]*")

WORK_PREFIX = "waybill-"
# No task runs this long, so a process that wrote an older file is dead.
WORK_FILES_KEPT = timedelta(days=1)


def part_name(part: Part) -> str:
    # An earlier plan may have had a part with this number, but not with this primary key.
    return f"{FOLDER}/{part.export_id}/part-{part.number:06}-{part.pk}.{part.attempt}"


def file_name(export: Export) -> str:
    return f"{FOLDER}/{export.pk}/{export.attempt}.{export.extension}"


class Digest(Protocol):
    """A hash object like those of hashlib."""

    def update(self, block: bytes, /) -> Any: ...


class NewFile:
    """A new file in the work directory. Unless `store` is called, the end of the block deletes it.

    `digest` is updated with each block that is written.

    with NewFile() as new:
        new.write(b"…")
        name = new.store("exports/…")
    """

    def __init__(self, digest: Digest | None = None) -> None:
        self.bytes = 0
        self._digest = digest
        Path(conf.WORK_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=WORK_PREFIX, dir=conf.WORK_DIR)
        self._path = Path(path)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    def write(self, block: bytes) -> None:
        self._file.write(block)
        if self._digest is not None:
            self._digest.update(block)
        self.bytes += len(block)

    def store(self, name: str) -> str:
        """Move the file to the storage; return its name there.

        If the storage fails, raise StorageFailed or OSError, and leave no file there.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        refusal = gettext_noop("Could not save the file: %(problem)s")
        with self._path.open("rb") as file, deleted_on_error(name), _as_storage_failed(refusal):
            stored = default_storage.save(name, _Movable(file))
        with deleted_on_error(stored):
            if (kept := size(stored)) != self.bytes:
                raise StorageFailed(
                    Message(
                        "The file has %(bytes)s bytes, but the storage has %(kept)s. Run the export "
                        "again. If this happens again, ask an administrator to check the storage.",
                        bytes=self.bytes,
                        kept=kept,
                    )
                )
        return stored

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._file.close()  # On a full disk, writing the rest of the buffer fails again.
        except OSError:
            if error is None:
                raise
        finally:
            self._path.unlink(missing_ok=True)


class _Movable(File):  # type: ignore[type-arg]
    """A file that a storage on the same disk renames instead of copying it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def open_file(name: str) -> IO[Any]:
    """Open a stored file for reading and seeking, in binary mode. Raise FileNotFoundError."""
    with _as_storage_failed(gettext_noop("Could not read the file from storage: %(problem)s")):
        opened: IO[Any] = default_storage.open(_checked(name), "rb")
    return opened


def open_at(name: str, first: int, length: int) -> IO[bytes]:
    """Open a stored file for reading from the byte `first` on. Raise FileNotFoundError.

    The file may return more than `length` bytes. A bucket sends only `length` bytes.
    """
    if not hasattr(default_storage, "open_at"):
        opened = open_file(name)
        opened.seek(first)
        return opened
    with _as_storage_failed(gettext_noop("Could not read the file from storage: %(problem)s")):
        part: IO[bytes] = default_storage.open_at(_checked(name), first, length)
    return part


def size(name: str) -> int:
    """Return how many bytes a stored file has. Raise FileNotFoundError."""
    with _as_storage_failed(gettext_noop("Could not get the size of the stored file: %(problem)s")):
        return default_storage.size(_checked(name))


def link(name: str, lifetime: timedelta, headers: dict[str, str]) -> str:
    """Return a signed URL of the storage, which answers with `headers` to anybody who has it."""
    if not hasattr(default_storage, "link"):
        raise ImproperlyConfigured(
            "The default storage cannot sign links. Set EXPORTS_DOWNLOAD to stream."
        )
    with _as_storage_failed("The storage could not sign a link: %(problem)s"):
        signed: str = default_storage.link(_checked(name), lifetime, headers)
    return signed


# -- Deleting ------------------------------------------------------------------------


@contextmanager
def deleted_on_error(name: str) -> Iterator[None]:
    """Delete a stored file if the block fails, so that no row will name the file."""
    try:
        yield
    except BaseException:
        delete(name)
        raise


def delete(name: str) -> bool:
    """Delete a stored file; return whether it is gone. An error is only logged."""
    try:
        default_storage.delete(_checked(name))
    # A storage may raise any error; those of S3 are not OSErrors.
    except Exception as error:  # noqa: BLE001
        logger.warning("Could not delete %s: %s", name, error)
        return False
    return True


def delete_others(export: Export, *, but: str = "") -> bool:
    """Delete all stored files of `export` except for `but`; return whether all of them are gone.

    A worker that was killed after storing a file, and before saving its name, leaves a file that no
    row names. Errors are only logged.
    """
    try:
        found = _files(export.pk)
    except Exception as error:  # noqa: BLE001 - as in `delete`
        logger.warning("Could not list the files of %s: %s", export.pk, error)
        return False
    left = [name for name in found if name != but and not delete(name)]
    return not left


def delete_all(export: Export) -> int:
    """Delete all stored files of `export`; return how many of them the storage has listed.

    This includes files of lost attempts, if the storage can list files. Raise StorageFailed or
    OSError if a file cannot be deleted. Files that are missing already are ignored.
    """
    named = {export.file, *export.parts.values_list("file", flat=True)}
    return delete_folder(export.pk, filter(_NAME.fullmatch, named))


def delete_folder(export_id: UUID, named: Iterable[str] = ()) -> int:
    """Like `delete_all`, for an export that has no row any more."""
    with _as_storage_failed("The storage could not delete a file: %(problem)s"):
        found = _files(export_id)
        for name in sorted({*found, *named}):
            default_storage.delete(name)
    # Most storages have no real folders. A folder with a new file is not removed.
    with suppress(NotImplementedError, OSError):
        Path(default_storage.path(f"{FOLDER}/{export_id}")).rmdir()
    return len(found)


def export_ids() -> set[UUID]:
    """Return the ids of exports with stored files; none if the storage cannot list them."""
    with _as_storage_failed("The storage could not list its folders: %(problem)s"):
        return {UUID(name) for name in _listed(FOLDER)[0] if _NAME.match(f"{FOLDER}/{name}/0")}


def last_stored_at(export_id: UUID) -> datetime | None:
    """Return when a file was last stored for this export; None if there is no file."""
    times = []
    with _as_storage_failed("The storage could not tell the age of a file: %(problem)s"):
        for name in _files(export_id):
            with suppress(FileNotFoundError):  # It was deleted meanwhile.
                times.append(default_storage.get_modified_time(name))
    return max(times, default=None)


def dead_work_files() -> list[Path]:
    """Return the files in EXPORTS_WORK_DIR, on this host, that killed processes have left."""
    oldest = time.time() - WORK_FILES_KEPT.total_seconds()
    found = []
    for path in Path(conf.WORK_DIR).glob(f"{WORK_PREFIX}*"):
        with suppress(FileNotFoundError):  # Its process has just deleted it.
            if path.stat().st_mtime < oldest:
                found.append(path)
    return found


# -- Differences between storages --------------------------------------------------------


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise FileNotFoundError(f"{name!r} is not the name of an export's file.")
    return name


def _listed(folder: str) -> tuple[list[str], list[str]]:
    """Return the folders and the files in `folder`; none if the storage cannot list them."""
    try:
        return default_storage.listdir(folder)
    except (FileNotFoundError, NotImplementedError):
        return [], []


def _files(export_id: UUID) -> list[str]:
    """Return the names of the stored files of an export."""
    folder = f"{FOLDER}/{export_id}"
    return [f"{folder}/{name}" for name in _listed(folder)[1]]


@contextmanager
def _as_storage_failed(refusal: str) -> Iterator[None]:
    """Turn any error of a storage, apart from OSError, into a StorageFailed that says `refusal`.

    Errors that may fail an export are translatable. The others are for operators.
    """
    try:
        yield
    except (OSError, ExportError):
        raise
    except Exception as error:
        raise StorageFailed(
            Message(
                "%(refusal)s Ask an administrator to check STORAGE_URL and the permissions "
                "of its credentials.",
                refusal=Message(refusal, problem=error),
            )
        ) from error
