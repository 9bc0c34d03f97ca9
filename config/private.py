"""Keep the files of Waybill private to its user, for any umask and any earlier file modes."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = 0o077  # All permissions of the group and of everybody else.


def set_umask() -> None:
    """Make this process, and all processes that it starts, create private files only."""
    os.umask(OTHERS)


def tighten(path: Path) -> None:
    """Remove the permissions of other users from `path`, if it exists.

    A directory that all users share, such as /tmp, is not changed: new files in it are private.
    Raise ImproperlyConfigured, with the remedy, if the mode cannot be changed.
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
    """Make a SQLite database private, with the journal files that SQLite keeps next to it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        tighten(path.with_name(path.name + suffix))
