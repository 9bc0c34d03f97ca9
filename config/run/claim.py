"""A lock on the data directory, so that only one `make run` uses it at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from config.run import CannotRunError
from config.run.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def claim(var_dir: Path, url: str) -> Iterator[int]:
    """Lock `var_dir` for this run. Raise CannotRunError, with the other run's URL, if it is locked.

    Yield the file descriptor of the lock. A process that inherits the descriptor holds the lock,
    too. So the lock of a killed run lasts until its manager has stopped all processes.
    """
    descriptor = os.open(var_dir / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_if_killed(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {url}".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_if_killed(descriptor: int) -> None:
    """Wait for the processes of a run that was killed. Raise CannotRunError if it is alive."""
    pid, _, url = os.pread(descriptor, 1000, 0).decode().partition(" ")
    if not pid:
        raise CannotRunError("Another process is starting Waybill at this moment.")
    if _is_running(int(pid)):
        raise CannotRunError(
            f"Waybill runs already, at {url} (process {pid}). "
            f"Stop it with Ctrl-C in its terminal, or: kill {pid}"
        )
    say("The last run was killed. Waiting until its processes have stopped.")
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # The process belongs to another user.
    return True
