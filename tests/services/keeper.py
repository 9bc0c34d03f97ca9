"""Clean up after a test run, even if the run was killed.

A run starts this script as a child and writes a line to it for each process that it starts or
stops. The standard input of the script ends with the run, even after SIGKILL. The script then
stops the processes that still run and removes the run's directory. It imports nothing of the
project. Ctrl-C does not reach it, because it has a session of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time


def main(directory: str) -> None:
    groups: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", pid, stop_signal]:
                groups[int(pid)] = int(stop_signal)
            case ["forget", pid]:
                groups.pop(int(pid), None)
    for pid, stop_signal in groups.items():
        _signal(pid, stop_signal)
    deadline = time.monotonic() + 5
    while any(_signal(pid, 0) for pid in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in groups:
        _signal(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def _signal(group: int, number: int) -> bool:
    """Signal a process group, and return whether the group still existed."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1])
