"""Start Python programs by forking a process that has already imported their libraries.

Importing takes most of the second that a web process, a worker or a command needs to start,
and the tests start hundreds. `ForkServer` starts this file as a process of its own. It imports
LIBRARIES once, which read no settings and start no thread, and then forks for each program.
Settings and all code that reads them are imported after the fork, with the program's own
environment.

A forked program is a session leader with its own environment, arguments, working directory and
standard streams. It begins and ends as `python -m …` or `python file.py` does. There are two
differences: its parent is the fork server, and tools such as `ps` show the command line and the
first environment of the fork server.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# No module here may read settings, start a thread or open a connection. `daphne.server` and
# Twisted's reactor are missing because they open an event loop, which forks would share.
LIBRARIES = [
    "asgiref.server",
    "autobahn.twisted.websocket",
    "axes.apps",
    "billiard.pool",
    "celery.app.trace",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "channels.auth",
    "channels.layers",
    "channels.routing",
    "channels_redis.pubsub",
    "cryptography.x509",
    "csp.middleware",
    "django.contrib.admin",
    "django.contrib.staticfiles.storage",
    "django.core.asgi",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django.forms",
    "django.test",
    "django.views.debug",
    "django_filters.rest_framework",
    "environs",
    "kombu.transport.redis",
    "notifications.protocol.frames",
    "prometheus_client",
    "psycopg.types.json",
    "pydantic.json_schema",
    "redis.asyncio",
    "servestatic.middleware",
    "twisted.internet.asyncioreactor",
    "twisted.internet.endpoints",
    "twisted.internet.ssl",
    "twisted.web.http",
    "wsaccel.utf8validator",
    "yaml",
]
STDIN, STDOUT, STDERR = range(3)
# Larger than any environment. Linux refuses a message of more than about 200 kilobytes.
MAX_MESSAGE_BYTES = 1_000_000
# Only Linux has these sockets, and elsewhere a fork may break what was imported before it.
IS_AVAILABLE = sys.platform == "linux"


class ForkServer:
    """Starts programs in the fork server, and reports how they end. This is the client's side.

    The output of the server itself goes to the file `log`.
    """

    def __init__(self, directory: Path, log: Path) -> None:
        self._directory = directory
        self._log = log
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.services.fork_server", str(theirs.fileno())],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @staticmethod
    def can_start(command: Sequence[str]) -> bool:
        """Return whether `command` is a Python module or file without options of Python."""
        match command:
            case [sys.executable, "-m", _, *_]:
                return IS_AVAILABLE
            case [sys.executable, file, *_]:
                return IS_AVAILABLE and file.endswith(".py")
        return False

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int,
        stdout: int,
        stderr: int,
    ) -> ForkedProcess:
        """Start `command` with `env` as its whole environment and these file descriptors."""
        request = {"arguments": [*command[1:]], "env": {**env}, "directory": str(self._directory)}
        return ForkedProcess(self, self.send(request, [stdin, stdout, stderr]))

    def send(self, request: Mapping[str, Any], descriptors: Sequence[int] = ()) -> Any:
        """Send a request and return the answer."""
        message = json.dumps(request).encode()
        with self._lock:
            socket.send_fds(self._control, [message], descriptors)
            answer = self._control.recv(MAX_MESSAGE_BYTES)
        if not answer:
            raise ChildProcessError(f"The fork server ended. It printed:\n{self._log.read_text()}")
        return json.loads(answer)

    def close(self) -> None:
        """End the server. The programs that it started continue."""
        self._control.close()
        self._process.wait(timeout=15)


class ForkedProcess:
    """A program that the fork server started, with the methods of `Popen` that tests need."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Return the exit status, or minus the signal that ended it; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.send({"pid": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for the end of the program and return its exit status."""
        deadline = time.monotonic() + timeout
        pause = 0.0005
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(pause)
            pause = min(pause * 2, 0.05)  # As `Popen.wait` does.
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def main(control: socket.socket) -> None:
    """Serve requests until the client is gone; in a forked process, run its program."""
    for name in LIBRARIES:
        importlib.import_module(name)
    # Collecting garbage would copy the memory that all programs share.
    gc.collect()
    gc.freeze()
    if (arguments := _serve(control)) is not None:
        _run(arguments)


def _serve(control: socket.socket) -> list[str] | None:
    """Answer requests. Return the arguments in each forked process, and None in the server."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 3)
        if not message:
            return None
        request = json.loads(message)
        if "arguments" in request:
            answer: int | None = _fork(request, descriptors, control)
            if answer == 0:
                return list(request["arguments"])
        else:
            answer = _exit_status(request["pid"])
        control.send(json.dumps(answer).encode())


def _fork(request: Mapping[str, Any], descriptors: Sequence[int], control: socket.socket) -> int:
    """Return the process id of the new process, or 0 in that process."""
    seen, ready = os.pipe()
    if (pid := os.fork()) == 0:
        control.close()
        os.close(seen)
        os.setsid()
        _become(request, descriptors)
        os.close(ready)
        return 0
    for descriptor in (ready, *descriptors):
        os.close(descriptor)
    # The pipe ends when the new process leads its session. Only then can its group get signals.
    os.read(seen, 1)
    os.close(seen)
    return pid


def _become(request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Give this process the environment, directory and streams that the request names."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    # These are the streams that Python itself would open.
    is_unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    encoding = sys.stdout.encoding
    sys.stdin = sys.__stdin__ = open(STDIN, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _stream(STDOUT, encoding, sys.stdout.errors, is_unbuffered)
    sys.stderr = sys.__stderr__ = _stream(STDERR, encoding, "backslashreplace", is_unbuffered)


def _stream(
    descriptor: int, encoding: str, errors: str | None, is_unbuffered: bool
) -> io.TextIOWrapper:
    binary = open(descriptor, "wb", 0 if is_unbuffered else -1, closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(
        binary,
        encoding,
        errors,
        line_buffering=not is_unbuffered and (descriptor == STDERR or os.isatty(descriptor)),
        write_through=is_unbuffered,
    )


def _exit_status(pid: int) -> int | None:
    """Return the exit status, or minus the signal that ended it; None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _run(arguments: list[str]) -> None:
    match arguments:
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [file, *_]:
            sys.argv = arguments
            runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
