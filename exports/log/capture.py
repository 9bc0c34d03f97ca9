"""Everything that is logged inside a task, for the log that people see on the export's page.

What belongs to which task is said by a context variable, not by the thread: so it also holds
where Python carries the context to another thread, as asgiref does, and as a thread does that
runs its work in `contextvars.copy_context()`. A thread that is started without has no context,
and its lines are in the worker's own log only.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from exports.conf import conf
from notifications.printable import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MESSAGE = 4_000  # characters; the middle of a longer message is in the worker's own log
HEAD = 1_000  # characters kept of its beginning. The end of a traceback says what went wrong.
MAX_NAME = 200  # characters of a logger's name or a level's
LINE_OVERHEAD = 200  # bytes of a line besides its message: names, offset, time

# Beyond what the log of an export takes, the newest lines: they say how it ended.
LAST_LINES = 5

_current: ContextVar[JobLog | None] = ContextVar("exports.joblog", default=None)


class JobLog(logging.Handler):
    """Collects the lines of one task until they are taken. Never waits, never raises.

    Of a flood it holds as many as an export's log takes, and the last ones.
    """

    def __init__(self, **named: Any) -> None:
        super().__init__(logging.INFO)
        self._named = named
        self._room = conf.LOG_LINES
        self._lines: list[dict[str, Any]] = []
        self._bytes = 0  # of these
        self._last: deque[dict[str, Any]] = deque(maxlen=LAST_LINES)
        self._is_busy = False

    def emit(self, record: logging.LogRecord) -> None:
        # What is logged while a line is made, by a __str__ for example, would come back here
        # for ever. One thread at a time is in here: `handle` holds the lock.
        if _current.get() is not self or self._is_busy:
            return
        self._is_busy = True
        try:
            line = {
                "level": storable(record.levelname[:MAX_NAME]),
                "message": storable(_shorten(self._text(record))),
                "logger": storable(record.name[:MAX_NAME]),
                **self._named,
            }
        finally:
            self._is_busy = False
        self._keep(line)

    def _keep(self, line: dict[str, Any]) -> None:
        size = line_bytes(line)
        if len(self._lines) < self._room and self._bytes + size <= conf.LOG_BYTES:
            self._lines.append(line)
            self._bytes += size
        else:
            self._last.append(line)

    def _text(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        # Arguments that do not fit, an object that cannot be shown: that must not stop whoever
        # logs, nor leave a hole where they look for what happened.
        except Exception as error:  # noqa: BLE001
            why = f"{type(error).__name__}: {_shown(error)}"
            return f"{_shown(record.msg)} [this line could not be made: {why}]"

    def take(self) -> list[dict[str, Any]]:
        """The lines since the last time."""
        with self._locked():
            lines = [*self._lines, *self._last]
            self._forget()
        return lines

    def give_back(self, lines: list[dict[str, Any]]) -> None:
        """These could not be saved; they come first the next time."""
        with self._locked():
            lines = [*lines, *self._lines, *self._last]
            self._forget()
            for line in lines:
                self._keep(line)

    def _forget(self) -> None:
        self._lines, self._bytes = [], 0
        self._last.clear()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock that `handle` holds around `emit`: another thread may be logging."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


def line_bytes(line: Mapping[str, Any]) -> int:
    """Return roughly how many bytes a line takes in the database."""
    return LINE_OVERHEAD + len(line["message"].encode(errors="replace"))


def _shorten(text: str) -> str:
    if len(text) <= MAX_MESSAGE:
        return text
    return f"{text[:HEAD]} … ({len(text)} characters) … {text[HEAD - MAX_MESSAGE :]}"


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the last resort for a line that cannot be made
        return f"<{type(value).__name__}>"


@contextmanager
def capture(*, worker: str = "", attempt: int = 1, helping: bool = False) -> Iterator[JobLog]:
    """Collect what any logger says while the block runs, in its context.

    Where a reader could take them for another worker's, in a later attempt or from a worker
    that helps, lines name `worker` and `attempt`.
    """
    named = {"worker": worker, "attempt": attempt} if helping or attempt > 1 else {}
    handler = JobLog(**named)
    root = logging.getLogger()
    token = _current.set(handler)
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        _current.reset(token)
        handler.close()
