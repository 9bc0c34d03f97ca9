"""Ctrl-C and similar signals. They are stored, and handled when it is safe.

A KeyboardInterrupt could be raised anywhere, even in the middle of a query.
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
    """Stores the signals that would end this process, while the block runs."""

    def __init__(self) -> None:
        self._last: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interrupts:
        # Only the main thread may set handlers. A signal that nohup ignores stays ignored.
        if threading.current_thread() is threading.main_thread():
            for each in SIGNALS:
                if signal.getsignal(each) != signal.SIG_IGN:
                    self._before[each] = signal.signal(each, self._store)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]  # signal() returned it.

    def _store(self, signum: int, _: FrameType | None) -> None:
        self._last = signal.Signals(signum)

    def take(self) -> signal.Signals | None:
        """Return the last signal since the previous call, if there was one."""
        last, self._last = self._last, None
        return last

    def ask(self, question: str, answers: Collection[str]) -> str | None:
        """Ask the user a question on the terminal. Return one of `answers`, or None after Ctrl-C.

        The user types the first letters of an answer. The Return key alone chooses the first one.
        Only the main thread may call it.
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

        It does not call readline(), which a signal just before the call would not interrupt.
        """
        with _woken_by_signals() as wakeups:
            while self.take() is None:
                ready, _, _ = select.select([sys.stdin, wakeups], [], [])
                if wakeups in ready:
                    wakeups.recv(64)  # If it was one of SIGNALS, `_store` has stored it.
                else:
                    return os.read(sys.stdin.fileno(), MAX_LINE).decode(errors="replace")
        return ""


@contextmanager
def _woken_by_signals() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable when this process receives a signal."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)  # noqa: FBT003 - it takes no keyword
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(before)


def is_on_terminal() -> bool:
    """Return whether this process can ask the user a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
