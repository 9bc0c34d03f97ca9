"""Decide when to stop: after a signal, when the terminal is gone, or when make stops.

A closed terminal sends SIGHUP to the first process of its session, and Ctrl-C sends SIGINT to all
processes in the foreground. If make started this process, neither signal may arrive here: make
passes on only SIGTERM, and after any other signal it waits until its child ends. So a thread also
watches make and the terminal.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PAUSE_SECONDS = 0.5


class Stopped(BaseException):
    """This process must stop, because it got a signal. Raised in the main thread, at any line."""


class Stop:
    """Records whether this process must stop. No signal ends the process by itself.

    At first a signal also raises Stopped in the main thread, which interrupts long work. After
    `only_record()` it only sets `requested`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._raises = True
        # nohup makes a process ignore SIGHUP, so that it outlives its terminal.
        survives_hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        for number in SIGNALS:
            if number != signal.SIGHUP or not survives_hangup:
                signal.signal(number, self._receive)
        watcher = LauncherWatcher(with_terminal=not survives_hangup)
        threading.Thread(target=watcher.watch, daemon=True).start()

    def only_record(self) -> None:
        """Raise no more exceptions, because from now on there are processes to stop."""
        self._raises = False

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            return
        self.requested = True
        if self._raises:
            raise Stopped


class LauncherWatcher:
    """Watches the terminal and the make that started this process."""

    def __init__(self, *, with_terminal: bool) -> None:
        self._terminals = [fd for fd in (0, 1, 2) if with_terminal and os.isatty(fd)]
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None

    def watch(self) -> None:
        """Send SIGTERM to this process when the terminal or make is gone. Runs in a thread."""
        while all(map(os.isatty, self._terminals)) and not self._make_is_stopping():
            time.sleep(PAUSE_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    def _make_is_stopping(self) -> bool:
        if self._make is None:
            return False
        return os.getppid() != self._make or bool(blocked_signals(self._make) & set(SIGNALS))


def blocked_signals(pid: int) -> set[int]:
    """Return the signals that a process blocks. Systems without /proc, such as macOS, show none.

    The kernel blocks a signal while its handler runs. The handler of make runs until the child
    of make ends, and nothing else shows that make has received a signal.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return set()
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if "SigBlk" in line)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
