"""Kill the worker of this checkout's `make run`, which is what `make kill-worker` does.

The manager writes its process id to `var/supervisord.pid`. Only a child of the manager that
runs the worker's command is killed, with the processes that it has forked. SIGKILL leaves a
worker no time to give back its export, as when a machine is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

from config.run import CannotRunError
from config.run.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MANAGER = "-m config.run.manager"
WORKER = "--app config worker"


@dataclass(frozen=True)
class Running:
    """One process, as `ps` lists it."""

    pid: int
    parent: int
    group: int
    command: str


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        worker = find_worker(settings.VAR_DIR, list_processes())
        # supervisord gives each child a process group of its own.
        os.killpg(worker.group, signal.SIGKILL)
    except (CannotRunError, OSError) as error:
        say(f"No worker was killed: {error}")
        return 1
    say(f"Killed the worker (process {worker.pid}). `make run` starts another at once.")
    return 0


def find_worker(var_dir: Path, running: Iterable[Running]) -> Running:
    """Return the worker of the manager in `var_dir`. Raise CannotRunError if there is none.

    The pid file of a killed manager may name a process of somebody else by now. So the manager
    must also have been started with the configuration in `var_dir`.
    """
    running = list(running)
    started_with = f"{MANAGER} {var_dir / 'supervisord.conf'} "
    try:
        pid = int((var_dir / "supervisord.pid").read_text())
    except (FileNotFoundError, ValueError):
        pid = 0
    if not any(each.pid == pid and started_with in f"{each.command} " for each in running):
        raise CannotRunError("Waybill is not running in this checkout. Start it with `make run`.")
    for each in running:
        if each.parent == pid and each.group == each.pid and WORKER in each.command:
            return each
    raise CannotRunError("No worker is running at the moment. Try again in a few seconds.")


def list_processes() -> list[Running]:
    """Return all processes of this machine."""
    # -ww: `ps` cuts long commands otherwise.
    columns = ["-o", "pid=", "-o", "ppid=", "-o", "pgid=", "-o", "command="]
    listed = subprocess.run(  # noqa: S603 - fixed arguments
        ["ps", "-Aww", *columns],  # noqa: S607 - its path differs between systems
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
    )
    found = []
    for line in listed.stdout.splitlines():
        pid, parent, group, *command = line.split(maxsplit=3)
        found.append(Running(int(pid), int(parent), int(group), "".join(command)))
    return found


if __name__ == "__main__":
    sys.exit(main())
