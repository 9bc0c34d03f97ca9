"""One run for one directory of data."""

from __future__ import annotations

import contextlib
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from config.run import CannotRunError
from config.run.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def claim(var_dir: Path, url: str) -> Iterator[int]:
    """Hold `var_dir` for this run. Raises CannotRunError, with its URL, if another run does.

    Yields a file descriptor that holds the claim too, in whoever inherits it. So the
    claim outlives a run that was killed until its manager has stopped everything.
    """
    descriptor = os.open(var_dir / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _refuse_or_wait(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {url}".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_or_wait(descriptor: int) -> None:
    pid, _, url = os.pread(descriptor, 1000, 0).decode().partition(" ")
    if not pid or _is_running(int(pid)):
        _refuse(pid, url)
    say("The last run was killed. Waiting until its processes have stopped.")
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _refuse(pid: str, url: str) -> NoReturn:
    raise CannotRunError(
        f"Waybill runs already, at {url} (process {pid}). "
        f"Stop it with Ctrl-C in its terminal, or: kill {pid}"
        if pid
        else "Waybill is just being started by somebody else."
    )


def _is_running(pid: int) -> bool:
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
