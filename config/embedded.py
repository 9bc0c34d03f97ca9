"""Where the embedded Valkey listens: nothing to install, nothing shared.

It listens on a unix socket in a directory that only its user may enter. The path
follows from the directory with the data, so that `manage.py` in a second terminal
finds the server that `make run` started in the first, and two directories never share one.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

# Not the TMPDIR of the moment: it differs between terminals, and it may be long, where a
# socket's path may have 104 bytes at most (macOS).
SHORT = Path("/tmp")  # noqa: S108 - make_private() refuses what somebody else put there


def runtime_dir(var_dir: Path) -> Path:
    """The directory for the sockets of the data in `var_dir`; it may not exist yet."""
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:10]
    return SHORT / f"waybill-{os.getuid()}-{digest}"


def make_private(path: Path) -> None:
    """Create `path` with mode 700, or refuse one that another user could have prepared.

    Raises PermissionError: in /tmp anyone can create names.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    private = stat.S_IMODE(found.st_mode) == 0o700  # noqa: PLR2004 - the mode just asked for
    if not (stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and private):
        raise PermissionError(f"{path} must be a directory of yours with mode 700. Remove it.")


def redis_url(var_dir: Path) -> str:
    """The URL of the Valkey that belongs to the data in `var_dir`."""
    return f"unix://{runtime_dir(var_dir) / 'valkey.sock'}"
