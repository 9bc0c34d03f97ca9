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
    """A Celery worker: a parent and one child that runs the tasks."""

    def __init__(self, run: Run, env: Mapping[str, str] | None = None) -> None:
        self.name = f"worker-{len(run.processes)}@tests"
        options = ["-c", "1", "-Q", "exports,exports-help", "--pool", "prefork", "-l", "INFO"]
        # It need not wait a second for the greetings of others.
        options += ["--without-mingle", "--without-gossip"]
        self.process = run.start(
            "worker",
            [sys.executable, "-m", "celery", "-A", "config", "worker", "-n", self.name, *options],
            env=env,
        )
        self.process.wait_ready(self._answers)

    def stop(self) -> None:
        """Ask it to go, as a deployment does: it hands over what it has."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, to the parent and the child."""
        self.process.kill()

    def freeze(self) -> None:
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    def _answers(self) -> bool:
        from config.celery import app

        # It is asked only when it says that it is ready: an unread ping costs a second.
        if " ready." not in self.process.log_text():
            return False
        # Over a connection of its own: a test may have killed the Valkey of those in the pool.
        with app.connection_for_write() as fresh:
            return bool(app.control.ping([self.name], timeout=1.0, connection=fresh))


class Server:
    """Daphne, on a port of its own that it keeps when it is started again."""

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
        """What it has said since it was started, or since `turn_the_page`."""
        return self.process.log_text()[self._read :]

    def turn_the_page(self) -> None:
        """What it has said so far was for somebody else."""
        self._read = len(self.process.log_text())

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.process = self._start()

    def _start(self) -> Process:
        self._read = 0
        process = self._run.start(
            "web",
            [
                *(sys.executable, "-m", "daphne"),
                *("-b", HOST, "-p", str(self.port), *self._arguments),
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
    """The clock that asks for a rescue every few seconds."""
    process = run.start("beat", [sys.executable, "-m", "celery", "-A", "config", "beat"], env=env)
    # The last line of what it prints of its configuration. Its logger is kept quiet.
    process.wait_ready(lambda: "maxinterval" in process.log_text())
    return process


def free_port() -> int:
    """A port of this host where nobody listens, and that the system gives to nobody else.

    Not even while whoever listens there is stopped, to be started again: it is kept bound
    here. All our servers ask to share it (SO_REUSEADDR), as does this.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((HOST, 0))
    atexit.register(keeper.close)
    return int(keeper.getsockname()[1])
