"""Capture everything that is logged inside a task, for the log on the export's page.

A context variable decides which task a line belongs to. So lines from other threads are captured if
the thread runs in the task's context, as with asgiref or `contextvars.copy_context()`. Lines of
other threads are only in the worker's own log.
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

# Characters of a message. A longer one loses its middle, which is in the worker's own log.
MAX_MESSAGE = 4_000
HEAD = 1_000  # Characters before the cut. The end of a traceback says what went wrong.
MAX_NAME = 200  # Characters of the name of a logger or level.
LINE_OVERHEAD = 200  # Bytes of a line without its message: names, offset, time.

# When the log of an export is full, this many lines are still kept: they say how it ended.
LAST_LINES = 5

_current: ContextVar[JobLog | None] = ContextVar("exports.joblog", default=None)


class JobLog(logging.Handler):
    """Collect the lines of one task. It never waits and never raises.

    It holds as many lines as the log of an export may have. Of later lines it holds the last ones.
    """

    def __init__(self, **origin: Any) -> None:
        super().__init__(logging.INFO)
        self._origin = origin  # Added to each line: the worker and the attempt, or nothing.
        self._room = conf.LOG_LINES
        self._lines: list[dict[str, Any]] = []
        self._bytes = 0  # The size of `_lines`.
        self._last: deque[dict[str, Any]] = deque(maxlen=LAST_LINES)
        self._is_busy = False

    def emit(self, record: logging.LogRecord) -> None:
        # A __str__ that logs something would call this method again without end. `handle` holds the
        # lock, so only one thread runs this.
        if _current.get() is not self or self._is_busy:
            return
        self._is_busy = True
        try:
            line = {
                "level": storable(record.levelname[:MAX_NAME]),
                "message": storable(_shorten(self._text(record))),
                "logger": storable(record.name[:MAX_NAME]),
                **self._origin,
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
        # Wrong arguments or a failing __str__ must neither stop the code that logs nor lose the
        # line.
        except Exception as error:  # noqa: BLE001
            why = f"{type(error).__name__}: {_shown(error)}"
            return f"{_shown(record.msg)} [this line could not be formatted: {why}]"

    def take(self) -> list[dict[str, Any]]:
        """Return the lines since the last call."""
        with self._locked():
            lines = [*self._lines, *self._last]
            self._lines, self._bytes = [], 0
            self._last.clear()
        return lines

    def give_back(self, lines: list[dict[str, Any]]) -> None:
        """Put back `lines` that could not be saved, in front of newer ones."""
        with self._locked():
            for line in [*lines, *self.take()]:
                self._keep(line)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock that `handle` holds around `emit`."""
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
    except Exception:  # noqa: BLE001 - the last resort for a line that cannot be formatted
        return f"<{type(value).__name__}>"


@contextmanager
def capture(*, worker: str = "", attempt: int = 1, helping: bool = False) -> Iterator[JobLog]:
    """Collect everything that is logged in the context of the block.

    Lines of a later attempt, or of a worker that is `helping`, name `worker` and `attempt`, because
    a reader could not tell them apart otherwise.
    """
    origin = {"worker": worker, "attempt": attempt} if helping or attempt > 1 else {}
    handler = JobLog(**origin)
    root = logging.getLogger()
    token = _current.set(handler)
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        _current.reset(token)
        handler.close()
