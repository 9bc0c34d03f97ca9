"""Being told to stop: by a signal, by a terminal that is gone, by make.

Closing a terminal sends SIGHUP to its session's first process, and pressing Ctrl-C sends
SIGINT to all in its foreground. When make comes between, we may hear of neither: make
hands on SIGTERM alone, and for anything else waits for us to end. So we look as well.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS = 0.5


class Stopped(BaseException):
    """We were told to stop. Raised in the main thread, wherever it is."""


class Stop:
    """Whether we were told to stop. From its making on, no signal ends us unheard.

    At first the signal raises Stopped in the main thread, so that long work is cut short.
    After `wait_instead()` it only makes `requested` true and ends `wait()`.
    """

    def __init__(self) -> None:
        self.requested = False
        self._raises = True
        self._bell, self._ear = socket.socketpair()
        self._bell.settimeout(0)
        # Started with nohup: the end of a terminal is to be survived.
        survives_hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        for number in SIGNALS:
            if number != signal.SIGHUP or not survives_hangup:
                signal.signal(number, self._receive)
        surroundings = Surroundings(with_terminal=not survives_hangup)
        threading.Thread(target=surroundings.watch, daemon=True).start()

    def wait_instead(self) -> None:
        """From now on there is something to be stopped in order."""
        self._raises = False

    def wait(self, seconds: float) -> None:
        """Sleep, until a signal comes."""
        select.select([self._ear], [], [], seconds)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            return
        self.requested = True
        self._bell.send(b"!")
        if self._raises:
            raise Stopped


class Surroundings:
    """The terminal and the make that we were started from."""

    def __init__(self, *, with_terminal: bool) -> None:
        self._terminals = [fd for fd in (0, 1, 2) if with_terminal and os.isatty(fd)]
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None

    def watch(self) -> None:
        """Send ourselves SIGTERM when what we were started from is gone. Runs in a thread."""
        look = threading.Event()
        while not (self._terminal_is_gone() or self._make_is_stopping()):
            look.wait(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    def _terminal_is_gone(self) -> bool:
        return not all(map(os.isatty, self._terminals))

    def _make_is_stopping(self) -> bool:
        if self._make is None:
            return False
        if os.getppid() != self._make:
            return True
        return bool(blocked_signals(self._make) & set(SIGNALS))


def blocked_signals(pid: int) -> set[int]:
    """The signals that a process holds back; none where the system does not say (macOS).

    make deals with a signal in its handler, in which the system holds that signal back,
    and does not leave the handler before we end. It shows in nothing else.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return set()
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if "SigBlk" in line)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}
