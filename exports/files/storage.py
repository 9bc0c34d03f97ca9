"""Files of exports in storage: the only code that opens them.

A file is written where nobody looks, and takes its name when it is whole: no partial file
ever looks complete. Each attempt has names of its own, so two workers never share a file.

What a storage raises is told as StorageFailed, save for OSError, which says enough itself.
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
    from types import TracebackType

    from exports.models import Export, Part

logger = logging.getLogger(__name__)

BLOCK = 1024 * 1024

FOLDER = "exports"
# Every name that is made here, with what Django adds to one that is taken. Rows name files;
# whatever else got into one, such as a path to somewhere, opens and deletes nothing.
_NAME = re.compile(rf"{FOLDER}/[0-9a-f-]{{36}}/[A-Za-z0-9][A-Za-z0-9._-]*")

# What a storage did not do. Those that may end an export are told to people in their language,
# the others to who runs this.
_TAKE = gettext_noop("Could not save the file: %(problem)s")
_GIVE = gettext_noop("Could not read the file from storage: %(problem)s")
_MEASURE = gettext_noop("Could not get the size of the stored file: %(problem)s")
_SIGN = "The storage did not sign a link: %(problem)s"
_REMOVE = "The storage did not remove a file: %(problem)s"
_LIST = "The storage did not list its folders: %(problem)s"
_DATE = "The storage did not tell how old its files are: %(problem)s"

WORK_PREFIX = "waybill-"
# Older than any task may run: whoever wrote it is dead.
WORK_FILES_KEPT = timedelta(days=1)


def part_name(part: Part) -> str:
    # With its own id: a plan that is made anew has parts of the same numbers.
    return f"{FOLDER}/{part.export_id}/part-{part.number:06}-{part.pk}.{part.attempt}"


def file_name(export: Export) -> str:
    return f"{FOLDER}/{export.pk}/{export.attempt}.{export.extension}"


class Digest(Protocol):
    """As those of hashlib."""

    def update(self, block: bytes, /) -> Any: ...


class NewFile:
    """A file in the making. `store` puts it in storage; leaving the block without drops it.

    `digest` is given each block that is written.

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
        """Put it in storage, whole. Returns the name that it has there.

        Raises StorageFailed or OSError, and leaves nothing, when the storage does not take it.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        with self._path.open("rb") as whole, deleted_on_error(name), _refusals(_TAKE):
            stored = default_storage.save(name, _Movable(whole, self._path))
        with deleted_on_error(stored):
            if (there := size(stored)) != self.bytes:
                raise StorageFailed(
                    Message(
                        "The file has %(bytes)s bytes, but the storage has %(kept)s. Run the export "
                        "again. If this happens again, ask an administrator to check the storage.",
                        bytes=self.bytes,
                        kept=there,
                    )
                )
        return stored

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
    """A stored file to read and to seek in, in binary. Raises FileNotFoundError."""
    with _refusals(_GIVE):
        opened: IO[Any] = default_storage.open(_checked(name), "rb")
    return opened


def open_at(name: str, first: int, length: int) -> IO[bytes]:
    """A stored file to read from the byte `first` on. Raises FileNotFoundError.

    There may be more than `length` bytes to read. A bucket is asked for these only.
    """
    opened: IO[bytes]
    with _refusals(_GIVE):
        if hasattr(default_storage, "open_at"):
            opened = default_storage.open_at(_checked(name), first, length)
            return opened
    opened = open_file(name)
    opened.seek(first)
    return opened


def size(name: str) -> int:
    """The bytes that a stored file has there. Raises FileNotFoundError."""
    with _refusals(_MEASURE):
        return default_storage.size(_checked(name))


def link(name: str, lifetime: timedelta, headers: dict[str, str]) -> str:
    """An address at the storage itself, for whoever has it, that answers with these headers."""
    if not hasattr(default_storage, "link"):
        raise ImproperlyConfigured(
            "The default storage signs no links. Set EXPORTS_DOWNLOAD to stream."
        )
    with _refusals(_SIGN):
        signed: str = default_storage.link(_checked(name), lifetime, headers)
    return signed


# -- Deleting ------------------------------------------------------------------------


@contextmanager
def deleted_on_error(name: str) -> Iterator[None]:
    """Remove a stored file if the block, which would make a row name it, raises."""
    try:
        yield
    except BaseException:
        delete(name)
        raise


def delete(name: str) -> bool:
    """Remove a stored file; return whether it is gone. A failure is logged, nothing depends on it."""
    try:
        default_storage.delete(_checked(name))
    # Storages raise what they like: S3's errors are no OSError.
    except Exception as error:  # noqa: BLE001
        logger.warning("%s could not be removed: %s", name, error)
        return False
    return True


def delete_others(export: Export, *, but: str = "") -> bool:
    """Remove what else there is of `export` than the stored file `but`: nothing depends on it.

    Return whether all of it is gone.

    A worker that was killed between storing a file and saying so has left one that no row
    names.
    """
    folder = f"{FOLDER}/{export.pk}"
    try:
        found = _listed(folder)[1]
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("%s could not be listed: %s", folder, error)
        return False
    others = [f"{folder}/{name}" for name in found if f"{folder}/{name}" != but]
    left = [name for name in others if not delete(name)]
    return not left


def delete_all(export: Export) -> int:
    """Remove all that there is of `export`, and say how many files that were.

    Also what lost attempts have left, if the storage can list. Raises StorageFailed or
    OSError when something cannot be removed; what is gone already is no matter.
    """
    named = {export.file, *export.parts.values_list("file", flat=True)}
    return delete_folder(export.pk, filter(_NAME.fullmatch, named))


def delete_folder(export_id: UUID, named: Iterable[str] = ()) -> int:
    """The same for an export that has no row any more."""
    folder = f"{FOLDER}/{export_id}"
    with _refusals(_REMOVE):
        found = {f"{folder}/{name}" for name in _listed(folder)[1]}
        for name in sorted(found | set(named)):
            default_storage.delete(name)
    # Only where folders are there by themselves. A file that has come meanwhile keeps its own.
    with suppress(NotImplementedError, OSError):
        Path(default_storage.path(folder)).rmdir()
    return len(found)


def folders() -> set[UUID]:
    """The exports of which there is something in storage; none if it cannot list."""
    with _refusals(_LIST):
        return {UUID(name) for name in _listed(FOLDER)[0] if _NAME.match(f"{FOLDER}/{name}/0")}


def newest(export_id: UUID) -> datetime | None:
    """When something was last stored for this export; None if there is nothing."""
    folder = f"{FOLDER}/{export_id}"
    times = []
    with _refusals(_DATE):
        for name in _listed(folder)[1]:
            with suppress(FileNotFoundError):  # Deleted meanwhile.
                times.append(default_storage.get_modified_time(f"{folder}/{name}"))
    return max(times, default=None)


def dead_work_files() -> list[Path]:
    """What processes of this host that were killed have left in EXPORTS_WORK_DIR."""
    oldest = time.time() - WORK_FILES_KEPT.total_seconds()
    found = []
    for path in Path(conf.WORK_DIR).glob(f"{WORK_PREFIX}*"):
        with suppress(FileNotFoundError):  # Its owner is done with it.
            if path.stat().st_mtime < oldest:
                found.append(path)
    return found


# -- What storages do otherwise ----------------------------------------------------------


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise FileNotFoundError(f"{name!r} is not the name of an export's file.")
    return name


def _listed(folder: str) -> tuple[list[str], list[str]]:
    """The folders and the files in it."""
    try:
        return default_storage.listdir(folder)
    except (FileNotFoundError, NotImplementedError):
        return [], []


@contextmanager
def _refusals(refusal: str) -> Iterator[None]:
    """Say what storages raise, whatever they like to, as StorageFailed."""
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
