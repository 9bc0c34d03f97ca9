"""The output in the terminal: lines of `make run` itself, and lines of its processes."""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, TYPE_CHECKING

from notifications.printable import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def say(line: str) -> None:
    """Write a line to standard output. A character that its encoding lacks becomes "?".

    Control characters are escaped, because a process may write text that its logging has not
    escaped. If the output is closed, this process gets SIGHUP, as for a closed terminal, and writes
    nothing from then on.
    """
    encoding = sys.stdout.encoding
    try:
        sys.stdout.write(escaped(line).encode(encoding, "replace").decode(encoding) + "\n")
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        os.kill(os.getpid(), signal.SIGHUP)


class Log:
    """Follows the log file of a process from its current end.

    The file need not exist yet. supervisord renames a full file; then the new file is followed.
    """

    def __init__(self, path: Path, hidden: Sequence[str] = ()) -> None:
        self._path = path
        self._hidden = hidden
        self._file = self._open()
        if self._file:
            self._file.seek(0, os.SEEK_END)
        self._incomplete_line = b""

    def new_lines(self) -> Iterator[str]:
        """Yield the complete lines since the last call, but none that contains a hidden text."""
        yield from self._read()
        if self._is_renamed():
            self.close()
            self._file = self._open()
            yield from self._read()

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _read(self) -> Iterator[str]:
        if self._file:
            read = self._incomplete_line + self._file.read()
            *lines, self._incomplete_line = read.split(b"\n")
            texts = (line.decode(errors="replace").rstrip("\r") for line in lines)
            yield from (text for text in texts if not any(part in text for part in self._hidden))

    def _is_renamed(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return not self._file or found.st_ino != os.fstat(self._file.fileno()).st_ino

    def _open(self) -> IO[bytes] | None:
        try:
            return self._path.open("rb", buffering=0)
        except FileNotFoundError:
            return None


def show(logs: dict[str, Log]) -> None:
    """Write the new lines of each log, after the name of its process."""
    width = max(map(len, logs))
    for name, log in logs.items():
        for line in log.new_lines():
            say(f"{name:{width}} | {line}")
