"""The private directory with the sockets of the embedded Valkey and of the manager.

The path depends only on the data directory. So `manage.py` in a second terminal finds the server
that `make run` started in the first one, and two data directories never share a server.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

# Not TMPDIR, which may differ between terminals and may be long: macOS allows 104 bytes for the
# path of a socket.
SOCKETS_ROOT = Path("/tmp")  # noqa: S108 - make_private() refuses a directory of another user


def runtime_dir(var_dir: Path) -> Path:
    """Return the directory of the sockets for the data in `var_dir`. It may not exist yet."""
    digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:10]
    return SOCKETS_ROOT / f"waybill-{os.getuid()}-{digest}"


def make_private(path: Path) -> None:
    """Create the directory `path` with mode 700.

    Raise PermissionError if it exists with another owner or mode, because everybody can create
    directories in /tmp.
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
