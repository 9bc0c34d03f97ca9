"""Install packages of Debian for the tests, if the tests run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def install(*packages: str, recommended: bool = True) -> None:
    """Install packages if this is Debian and the user is root. The caller must check the result.

    Recommended packages are installed as well, unless the caller excludes them.
    """
    if os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if succeeds(["apt-get", "update"], env):
            options = ["-y"] if recommended else ["-y", "--no-install-recommends"]
            succeeds(["apt-get", "install", *options, *packages], env)


def succeeds(command: list[str], env: dict[str, str] | None = None) -> bool:
    """Show a command and run it."""
    sys.stderr.write(f"$ {' '.join(command)}\n")
    sys.stderr.flush()
    return subprocess.run(command, check=False, env=env, stdin=subprocess.DEVNULL).returncode == 0
