"""Ctrl-C and its like, as something to look at between two steps instead of an exception
that may come anywhere: in the middle of a query, too.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

LONGEST_LINE = 1_024  # bytes; a terminal gives one at a time
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Notes who asks this process to end, while its block runs."""

    def __init__(self) -> None:
        self._noted: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interrupts:
        # Python gives signals to the main thread alone. What is ignored (nohup) stays so.
        if threading.current_thread() is threading.main_thread():
            for each in SIGNALS:
                if signal.getsignal(each) != signal.SIG_IGN:
                    self._before[each] = signal.signal(each, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]  # As signal() returned it.

    def _note(self, number: int, _: FrameType | None) -> None:
        self._noted = signal.Signals(number)

    def take(self) -> signal.Signals | None:
        """The last one since it was asked for."""
        noted, self._noted = self._noted, None
        return noted

    def ask(self, question: str, answers: Collection[str]) -> str | None:
        """One of `answers`, by its first letter; None when another Ctrl-C is the answer.

        Return alone is the first of them. For the main thread, which has the terminal.
        """
        while True:
            sys.stderr.write(question)
            sys.stderr.flush()
            line = self._typed()
            if not line:
                sys.stderr.write("\n")
                return None
            typed = line.strip().lower()
            for answer in answers:
                if answer.startswith(typed):
                    return answer

    def _typed(self) -> str:
        """The next line: "" at the end of all input, or when a signal comes first.

        readline() does not do: a signal that comes just before it would not wake it.
        """
        with _woken_by_signals() as wakeups:
            while self.take() is None:
                ready, _, _ = select.select([sys.stdin, wakeups], [], [])
                if wakeups in ready:
                    wakeups.recv(64)  # For whichever signal: ours has been noted.
                else:
                    return os.read(sys.stdin.fileno(), LONGEST_LINE).decode(errors="replace")
        return ""


@contextmanager
def _woken_by_signals() -> Iterator[socket.socket]:
    """A socket that can be read from as soon as a signal has come."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)  # noqa: FBT003 - it has no name
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(before)


def is_on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
