"""Cleans up after a test run that could not do so itself.

A run starts this script as a child, and writes to it which processes it starts and
stops. Its standard input ends when the run does, also after SIGKILL: then whatever
still runs is stopped, and the run's directory is removed. It imports nothing of the
project, and has a session of its own that Ctrl-C does not reach.
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
    """Whether there still was somebody to signal."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1])
