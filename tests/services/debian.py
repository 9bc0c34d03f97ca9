"""What the tests need of Debian's packages: installed as root, named elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def install(*packages: str, recommended: bool = True) -> None:
    """Install them if that is possible here. Whether it was, the caller has to look.

    Those that Debian recommends beside them come along, unless it is said that they need not.
    """
    if os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if succeeds(["apt-get", "update"], env):
            options = ["-y"] if recommended else ["-y", "--no-install-recommends"]
            succeeds(["apt-get", "install", *options, *packages], env)


def succeeds(command: list[str], env: dict[str, str] | None = None) -> bool:
    """Run this, and show what is run."""
    sys.stderr.write(f"$ {' '.join(command)}\n")
    sys.stderr.flush()
    return subprocess.run(command, check=False, env=env, stdin=subprocess.DEVNULL).returncode == 0
