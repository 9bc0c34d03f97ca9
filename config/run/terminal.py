"""What the person at the terminal sees: our own lines, and those of the processes."""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, TYPE_CHECKING

from notifications.printable import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def say(line: str = "") -> None:
    """Write a line to standard output; what its encoding does not have, as a question mark.

    Control characters are escaped: not all that a process writes goes through its logging.

    When nobody can read it any more, this process hears of it as it hears of a closed
    terminal, and writes nothing from then on.
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
    """The log file of a process, from now on. It may be renamed when it is full, or not exist."""

    def __init__(self, path: Path, leave_out: Sequence[str] = ()) -> None:
        self._path = path
        self._leave_out = leave_out
        self._file = self._open()
        if self._file:
            self._file.seek(0, os.SEEK_END)
        self._rest = b""

    def new_lines(self) -> Iterator[str]:
        """What was written since the last call, whole lines only, without those that are left out."""
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
            *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
            texts = (line.decode(errors="replace").rstrip("\r") for line in lines)
            yield from (text for text in texts if not any(part in text for part in self._leave_out))

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
    """Write each log's new lines, with the name of its process before them."""
    width = max(map(len, logs))
    for name, log in logs.items():
        for line in log.new_lines():
            say(f"{name:{width}} | {line}")
