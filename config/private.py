"""What Waybill writes is for its own user: whatever the umask, and whatever was there before."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = 0o077  # What the group and everybody else may do.


def set_umask() -> None:
    """Let this process, and all that it starts, create nothing that others may read."""
    os.umask(OTHERS)


def tighten(path: Path) -> None:
    """Take from `path`, if it exists, what others may do with it.

    A directory that everybody shares, as /tmp, stays as it is: what is created in it is private.
    Raises ImproperlyConfigured, with the remedy, if the mode cannot be changed.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return
    if not mode & OTHERS or mode & stat.S_ISVTX:
        return
    try:
        path.chmod(mode & ~OTHERS)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} is open to other users, and this one cannot change that "
            f"({error.strerror}). Run as its owner: chmod go= {path}"
        ) from error


def tighten_database(path: Path) -> None:
    """Make a database file of SQLite private, with the journal files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        tighten(path.with_name(path.name + suffix))
