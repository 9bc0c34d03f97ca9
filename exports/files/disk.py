"""Free space on the file systems of the storage and of the work directory.

A bucket does not report its free space, so only quotas limit a bucket (`exports.lifecycle.room`).
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.files.storage import default_storage

from exports.conf import conf


def storage_free() -> int | None:
    """Return the free bytes of the storage; None if they are unknown, as for a bucket."""
    try:
        folder = default_storage.path("")
    except NotImplementedError:
        return None
    return _free(Path(folder))


def work_free() -> int | None:
    """Return the free bytes of the directory that the workers of this host write to."""
    return _free(Path(conf.WORK_DIR))


def shortage(needed: int = 0) -> str:
    """Say which file system has fewer bytes free than MIN_FREE_BYTES plus `needed`; "" if none."""
    return storage_shortage(needed) or _shortage("the work directory", work_free(), needed)


def storage_shortage(needed: int = 0) -> str:
    """Like `shortage`, for the storage alone. Web processes do not use the work directory."""
    return _shortage("the storage", storage_free(), needed)


def _shortage(place: str, free: int | None, needed: int) -> str:
    floor = conf.MIN_FREE_BYTES
    if not floor or free is None or free >= floor + needed:
        return ""
    return f"{free:,} bytes are free in {place}, and {floor + needed:,} are needed"


def _free(folder: Path) -> int | None:
    """Return the bytes that a process without privileges may still write in `folder`.

    A directory that does not exist is created later, on the file system of its nearest parent.
    """
    for directory in (folder, *folder.parents):
        try:
            status = os.statvfs(directory)
        except FileNotFoundError:
            continue
        except OSError:
            return None  # Writing will fail with the same error, which is then reported.
        return status.f_bavail * status.f_frsize
    return None
