"""Ctrl-C and similar signals, noted for later.

A KeyboardInterrupt could be raised anywhere, also in the middle of a query.
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

MAX_LINE = 1_024  # Bytes of an answer. A terminal gives one line at a time.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Notes the signals that would end this process, while the block runs."""

    def __init__(self) -> None:
        self._noted: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interrupts:
        # Only the main thread may set handlers. A signal that nohup ignores stays ignored.
        if threading.current_thread() is threading.main_thread():
            for each in SIGNALS:
                if signal.getsignal(each) != signal.SIG_IGN:
                    self._before[each] = signal.signal(each, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]  # signal() returned it.

    def _note(self, number: int, _: FrameType | None) -> None:
        self._noted = signal.Signals(number)

    def take(self) -> signal.Signals | None:
        """Return the last signal since the previous call, if there was one."""
        noted, self._noted = self._noted, None
        return noted

    def ask(self, question: str, answers: Collection[str]) -> str | None:
        """Ask on the terminal. Return an answer by its first letters, or None after Ctrl-C.

        The Return key alone chooses the first answer. Only for the main thread.
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
        """Read a line. Return "" at the end of the input, or if a signal comes first.

        A signal just before readline() would not interrupt it.
        """
        with _woken_by_signals() as wakeups:
            while self.take() is None:
                ready, _, _ = select.select([sys.stdin, wakeups], [], [])
                if wakeups in ready:
                    wakeups.recv(64)  # If it was one of SIGNALS, `_note` has stored it.
                else:
                    return os.read(sys.stdin.fileno(), MAX_LINE).decode(errors="replace")
        return ""


@contextmanager
def _woken_by_signals() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable when a signal comes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)  # noqa: FBT003 - it takes no keyword
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(before)


def is_on_terminal() -> bool:
    """Whether this process has a terminal for questions and answers."""
    return sys.stdin.isatty() and sys.stderr.isatty()
