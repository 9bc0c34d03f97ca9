"""Places in a worker where a test lies in wait for it.

A trap is a file, named for its place, in a directory that both know. A worker that comes
to a place where there is one does what the file says.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAPS = "TRAPS"  # in the environment of a worker: the directory
SAYS = "nobody can work like this"  # the reason of what fails on purpose


def spring(place: str) -> None:
    """Do what the trap at `place` says, if there is one."""
    trap = Path(os.environ.get(TRAPS, "")) / place
    try:
        words = trap.read_text().split()
        if "once" in words:
            trap.unlink()  # Of several that are here at once, one goes on.
    except FileNotFoundError:
        return
    match words[0]:
        case "hold":
            trap.with_name(f"{place}@{os.getpid()}").touch()
            while trap.exists():
                time.sleep(0.01)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fail":
            raise OSError(SAYS)
        case "slow":
            time.sleep(0.01)


class Traps:
    """The test's side of it: a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def env(self) -> Mapping[str, str]:
        return {TRAPS: str(self._directory)}

    def set(self, place: str, action: str) -> None:
        """From now on, who comes to `place` does `action`, or does it `once` for all."""
        new = self._directory / f".{place}"
        new.write_text(action)
        new.rename(self._directory / place)

    def hold(self, place: str) -> Hold:
        """Whoever comes to `place` stays there until it is released."""
        self.set(place, "hold")
        return Hold(self._directory / place)

    def remove(self, place: str) -> None:
        (self._directory / place).unlink(missing_ok=True)

    def clear(self) -> None:
        for path in self._directory.iterdir():
            path.unlink(missing_ok=True)


class Hold:
    """A place that holds who comes there."""

    def __init__(self, trap: Path) -> None:
        self._trap = trap

    def pids(self) -> set[int]:
        """Who has come to it so far."""
        found = self._trap.parent.glob(f"{self._trap.name}@*")
        return {int(path.name.rpartition("@")[2]) for path in found}

    def wait(self, count: int = 1) -> None:
        """Until so many processes are held."""
        wait_until(
            lambda: len(self.pids()) >= count, timeout=60, what=f"{count} at {self._trap.name}"
        )

    def release(self) -> None:
        """Nobody is held here any more."""
        self._trap.unlink(missing_ok=True)
