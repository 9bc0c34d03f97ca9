"""The private directory of sockets, in which the embedded Valkey and the manager listen.

The path depends on the directory of the data only. So `manage.py` in a second terminal finds the
server that `make run` started in the first, and two directories of data never share a server.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

# TMPDIR may differ between terminals, and it may be long: macOS allows 104 bytes for the path of a
# socket.
SHORT = Path("/tmp")  # noqa: S108 - make_private() refuses a directory of another user


def runtime_dir(var_dir: Path) -> Path:
    """Return the directory of the sockets for the data in `var_dir`. It may not exist yet."""
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:10]
    return SHORT / f"waybill-{os.getuid()}-{digest}"


def make_private(path: Path) -> None:
    """Create the directory `path` with mode 700.

    Raise PermissionError if it exists with another owner or mode, because everybody can create
    names in /tmp.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    private = stat.S_IMODE(found.st_mode) == 0o700  # noqa: PLR2004 - the mode of mkdir above
    if not (stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and private):
        raise PermissionError(f"{path} must be a directory of yours with mode 700. Remove it.")


def manager_socket(var_dir: Path) -> Path:
    return runtime_dir(var_dir) / "manager.sock"


def valkey_socket(var_dir: Path) -> Path:
    return runtime_dir(var_dir) / "valkey.sock"


def redis_url(var_dir: Path) -> str:
    """Return the URL of the embedded Valkey."""
    return f"unix://{valkey_socket(var_dir)}"
