"""Ctrl-C and its like, as something to look at between two steps instead of an exception
that may come anywhere: in the middle of a query, too.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

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

        Return alone is the first of them.
        """
        with self._raising():
            try:
                while True:
                    sys.stderr.write(question)
                    sys.stderr.flush()
                    line = sys.stdin.readline()
                    if not line:
                        return None
                    typed = line.strip().lower()
                    for answer in answers:
                        if answer.startswith(typed):
                            return answer
            except KeyboardInterrupt:
                sys.stderr.write("\n")
                return None

    @contextmanager
    def _raising(self) -> Iterator[None]:
        """Whoever reads from the terminal has to be woken."""
        for each in self._before:
            signal.signal(each, signal.default_int_handler)
        try:
            yield
        finally:
            for each in self._before:
                signal.signal(each, self._note)


def is_on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
