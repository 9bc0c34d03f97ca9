"""The directory and the processes of a test run: how they start, are watched and stop."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.services import keeper
from tests.services.fork_server import ForkServer
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.services.fork_server import ForkedProcess

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
LOG_TAIL = 20_000  # Characters of a log that an error shows.


class ServiceError(Exception):
    """A service that the tests need is not available. The message says what to do."""


class Run:
    """A test run: its private directory, which is removed at the end, and its processes.

    The path of the directory is short, because the path of a Unix socket has at most 104 bytes.
    """

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="waybill-", dir=_temporary_directory()))
        # PostgreSQL may run as another user, who must reach its directory below this one.
        # Other users cannot list this directory, and each directory in it is private.
        self.directory.chmod(0o711)
        self.processes: list[Process] = []
        self._keeper = subprocess.Popen(
            [sys.executable, "-E", "-S", keeper.__file__, str(self.directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def private_directory(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Process:
        """Start `command` with `env` added to the environment. Do not wait until it is ready."""
        log = self.private_directory("logs") / f"{name}-{len(self.processes) + 1}.log"
        with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
            popen = self.launch(
                list(map(str, command)),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=nothing.fileno(),
                stdout=output.fileno(),
                stderr=output.fileno(),
                user=user,
            )
        self.tell_keeper("watch", popen.pid, int(stop_signal))
        process = Process(self, name, popen, log, stop_signal)
        self.processes.append(process)
        return process

    def launch(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int,
        stdout: int,
        stderr: int,
        user: str | None = None,
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        """Start `command` in a session of its own. The caller must wait for its end."""
        if user is None and ForkServer.can_start(command):
            return self._fork_server.start(
                command, env=env, stdin=stdin, stdout=stdout, stderr=stderr
            )
        return subprocess.Popen(
            command,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=ROOT if user is None else "/",
            start_new_session=True,
            **as_user(user),
        )

    @cached_property
    def _fork_server(self) -> ForkServer:
        return ForkServer(ROOT, self.private_directory("logs") / "fork-server.log")

    def tell_keeper(self, *words: object) -> None:
        assert self._keeper.stdin is not None
        # Tests do not fail because the keeper was killed.
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.write(" ".join(map(str, words)) + "\n")
            self._keeper.stdin.flush()

    def close(self) -> None:
        """Stop the processes that still run, the newest first, and remove the directory."""
        for process in reversed(self.processes):
            process.stop()
        if "_fork_server" in vars(self):
            self._fork_server.close()
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(timeout=15)


class Process:
    """A process with a session and a log of its own."""

    def __init__(
        self,
        run: Run,
        name: str,
        popen: subprocess.Popen[bytes] | ForkedProcess,
        log: Path,
        stop_signal: signal.Signals,
    ) -> None:
        self.name = name
        self.pid = popen.pid
        self.log = log
        self._run = run
        self._popen = popen
        self._stop_signal = stop_signal
        self._is_over = False

    def __repr__(self) -> str:
        return f"<{self.name}, pid {self.pid}, {'running' if self.is_running else 'ended'}>"

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_status(self) -> int | None:
        return self._popen.poll()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_ready(self, is_ready: Callable[[], T], timeout: float = 90.0) -> T:
        """Wait until `is_ready`. Raise ServiceError, with the end of its log, if that fails."""

        def ready_or_dead() -> T:
            if not self.is_running:
                raise ServiceError(f"{self.name} ended with status {self.exit_status}.")
            return is_ready()

        try:
            return wait_until(ready_or_dead, timeout, f"{self.name} is ready")
        except (TimeoutError, ServiceError) as error:
            self.kill()
            raise ServiceError(f"{error}\nIts log:\n{self.log_text()[-LOG_TAIL:]}") from error

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, but not to its children."""
        self._popen.send_signal(number)

    def stop(self, timeout: float = 30.0) -> None:
        """Send its stop signal and wait. Then kill it and its children."""
        if self.is_running:
            self.thaw()
            self.signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to it and its children, as if the machine were lost."""
        self._signal_group(signal.SIGKILL)
        self._popen.wait(timeout=15)
        self._is_over = True  # The system may give its number to another process.
        self._run.tell_keeper("forget", self.pid)

    def freeze(self) -> None:
        """Suspend it: its connections stay open, and it answers nothing."""
        self._signal_group(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_group(signal.SIGCONT)

    def wait(self, timeout: float = 60.0) -> int:
        """Wait until it ends by itself, and return its exit status."""
        return self._popen.wait(timeout)

    def _signal_group(self, number: signal.Signals) -> None:
        if not self._is_over:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def as_user(name: str | None) -> dict[str, Any]:
    """Return the arguments with which Popen starts a process with the rights of that user."""
    if name is None:
        return {}
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def _temporary_directory() -> str:
    """Return a directory that every user can reach: root runs PostgreSQL as another user."""
    chosen = Path(tempfile.gettempdir()).resolve()
    everybody = all(path.stat().st_mode & 0o001 for path in (chosen, *chosen.parents))
    return str(chosen) if os.geteuid() != 0 or everybody else "/tmp"
