"""Waybill's own processes, as they run in production: web server, worker, beat."""

from __future__ import annotations

import atexit
import http.client
import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.services.processes import Process, Run

HOST = "127.0.0.1"


class Worker:
    """A Celery worker: a parent process and one child, which runs the tasks."""

    def __init__(self, run: Run, env: Mapping[str, str] | None = None) -> None:
        self.name = f"worker-{len(run.processes)}@tests"
        options = ["-c", "1", "-Q", "exports,exports-help", "--pool", "prefork", "-l", "INFO"]
        # Waiting for greetings from other workers would take a second.
        options += ["--without-mingle", "--without-gossip"]
        self.process = run.start(
            "worker",
            [sys.executable, "-m", "celery", "-A", "config", "worker", "-n", self.name, *options],
            env=env,
        )
        self.process.wait_ready(self._answers)

    def stop(self) -> None:
        """Stop it as a deployment does, so that it hands over its export."""
        self.process.stop()

    def kill(self) -> None:
        """Send SIGKILL to the parent and the child."""
        self.process.kill()

    def freeze(self) -> None:
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    def _answers(self) -> bool:
        from config.celery import app

        # A ping before the worker is ready gets no answer, and costs a second.
        if " ready." not in self.process.log_text():
            return False
        # A test may have killed the Valkey to which the connections of the pool lead.
        with app.connection_for_write() as fresh:
            return bool(app.control.ping([self.name], timeout=1.0, connection=fresh))


class Server:
    """Daphne on a port of its own, which it keeps when it restarts."""

    def __init__(
        self,
        run: Run,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = ("config.asgi:application",),
    ) -> None:
        self._run = run
        self._env = env
        self._arguments = arguments
        self.port = free_port()
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.port}/ws/streams/"

    def log_text(self) -> str:
        """Return its log since its start, or since the last `skip_log`."""
        return self.process.log_text()[self._skipped :]

    def skip_log(self) -> None:
        """Exclude the log so far from `log_text`, because it belongs to another test."""
        self._skipped = len(self.process.log_text())

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.process = self._start()

    def _start(self) -> Process:
        self._skipped = 0
        process = self._run.start(
            "web",
            [
                sys.executable,
                "-m",
                "daphne",
                "-b",
                HOST,
                "-p",
                str(self.port),
                *self._arguments,
            ],
            env=self._env,
        )
        process.wait_ready(self._answers)
        return process

    def _answers(self) -> bool:
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/health/live")
                return connection.getresponse().status == http.HTTPStatus.OK
            except (ConnectionError, TimeoutError):
                return False


def start_beat(run: Run, env: Mapping[str, str] | None = None) -> Process:
    """Start Celery beat, which runs the periodic jobs, and wait until it is ready."""
    process = run.start("beat", [sys.executable, "-m", "celery", "-A", "config", "beat"], env=env)
    # This is in the last line that beat prints about its configuration. Its logger is quiet.
    process.wait_ready(lambda: "maxinterval" in process.log_text())
    return process


def free_port() -> int:
    """Return a port of this host that no other program uses.

    This process keeps the port bound until its end, so that a test can restart the server on
    it. All our servers share the port with this process by SO_REUSEADDR.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((HOST, 0))
    atexit.register(reserved.close)
    return int(reserved.getsockname()[1])
