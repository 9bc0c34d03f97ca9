"""Run `manage.py` in a separate process, with or without a terminal."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from pathlib import Path

    from tests.services.processes import Run


class Command:
    """`manage.py` with these arguments.

    Standard error is read piece by piece. Standard output goes to a file, so that the command
    never waits for a reader.
    """

    def __init__(self, run: Run, *arguments: str, stdout: Path, terminal: bool, **env: str) -> None:
        self._stdout = stdout
        self._stderr = b""
        if terminal:
            self._ours, theirs = pty.openpty()
            stdin = theirs
        else:
            self._ours, theirs = os.pipe()
            stdin = os.open(os.devnull, os.O_RDONLY)
        with stdout.open("wb") as output:
            self._process = run.launch(
                [sys.executable, "manage.py", *arguments],
                env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40", **env},
                stdin=stdin,
                stdout=output.fileno(),
                stderr=theirs,
            )
        for each in {stdin, theirs}:
            os.close(each)

    @property
    def out(self) -> bytes:
        return self._stdout.read_bytes()

    @property
    def stderr(self) -> str:
        """Return the standard error so far."""
        return self._stderr.decode(errors="replace").replace("\r\n", "\n")

    def wait_for_text(self, text: str, timeout: float = 60.0) -> None:
        """Wait for `text` on standard error. Raise TimeoutError with the actual output."""
        deadline = time.monotonic() + timeout
        while text not in self.stderr:
            if time.monotonic() > deadline or not self._read(deadline - time.monotonic()):
                raise TimeoutError(f"No {text!r} on standard error, but:\n{self.said[-4_000:]}")

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for the end. Return the exit status, or minus the signal that killed it."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"The command does not end. Standard error:\n{self.said[-4_000:]}"
                )
        return self._process.wait(max(deadline - time.monotonic(), 1.0))

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close(self) -> None:
        """Kill the process if it still runs."""
        self._process.kill()
        self._process.wait(timeout=15)
        os.close(self._ours)

    def _read(self, timeout: float) -> bool:
        """Read the next output. Return False at its end."""
        if not select.select([self._ours], [], [], max(timeout, 0))[0]:
            return True
        try:
            part = os.read(self._ours, 65_536)
        except OSError:  # On Linux, this means that no process has the terminal any more.
            return False
        self._stderr += part
        return bool(part)
