"""How much room there is on the file systems of the storage and of the work directory.

A bucket does not say how much room it has. There only the quotas hold (`exports.room`).
"""

from __future__ import annotations

import os
from pathlib import Path

from django.core.files.storage import default_storage

from exports.conf import conf


def storage_free() -> int | None:
    """Return the free bytes where files are stored; None where that cannot be known."""
    try:
        folder = default_storage.path("")
    except NotImplementedError:
        return None
    return _free(Path(folder))


def work_free() -> int | None:
    """Return the free bytes where this host's workers write."""
    return _free(Path(conf.WORK_DIR))


def shortage(needed: int = 0) -> str:
    """Say which file system has less room than the floor and `needed` bytes; "" if none has."""
    return storage_shortage(needed) or _shortage("the work directory", work_free(), needed)


def storage_shortage(needed: int = 0) -> str:
    """Say that of the storage alone: web processes write nothing in a work directory."""
    return _shortage("the storage", storage_free(), needed)


def _shortage(place: str, free: int | None, needed: int) -> str:
    floor = conf.MIN_FREE_BYTES
    if not floor or free is None or free >= floor + needed:
        return ""
    return f"{free:,} bytes are free in {place}, and {floor + needed:,} are needed"


def _free(folder: Path) -> int | None:
    """Return what a process without privileges may still write there.

    A directory that is not there yet will be on the file system of the nearest one that is.
    """
    for there in (folder, *folder.parents):
        try:
            found = os.statvfs(there)
        except FileNotFoundError:
            continue
        except OSError:
            return None  # Writing there fails, and says why.
        return found.f_bavail * found.f_frsize
    return None
