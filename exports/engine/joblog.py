"""Everything that is logged inside a task, for the log that people see on the export's page."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE = 4_000  # characters; the middle of a longer message is in the worker's own log
HEAD = 1_000  # characters kept of its beginning. The end of a traceback says what went wrong.


class JobLog(logging.Handler):
    """Collects lines of this thread until they are taken. Never waits, never raises."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._thread = threading.get_ident()
        self._lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        try:
            message = self.format(record)
        # As all of logging's handlers do: a line that cannot be made must not stop its caller.
        except Exception:  # noqa: BLE001
            self.handleError(record)
            return
        self._lines.append(
            {"level": record.levelname, "message": _storable(message), "logger": record.name}
        )

    def take(self) -> list[dict[str, Any]]:
        """The lines since the last time."""
        lines, self._lines = self._lines, []
        return lines

    def give_back(self, lines: list[dict[str, Any]]) -> None:
        """These could not be saved; they come first the next time."""
        self._lines[:0] = lines


def _storable(message: str) -> str:
    # Half of a surrogate pair, as in a file name that is not UTF-8: no database takes it.
    message = message.encode(errors="replace").decode()
    if len(message) <= MAX_MESSAGE:
        return message
    tail = message[HEAD - MAX_MESSAGE :]
    return f"{message[:HEAD]} … ({len(message)} characters) … {tail}"


@contextmanager
def capture() -> Iterator[JobLog]:
    """Collect what any logger says in this thread while the block runs."""
    root = logging.getLogger()
    handler = JobLog()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
