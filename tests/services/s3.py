"""An S3 server for the test run: rclone serves a directory, and checks signatures."""

from __future__ import annotations

import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tests.services.waybill import HOST, free_port

if TYPE_CHECKING:
    from tests.services.processes import Process, Run

# The wheel exists for Linux only.
IS_AVAILABLE = sys.platform == "linux"
# The wheel installs the program next to the interpreter.
COMMAND = Path(sys.executable).parent / "rclone"
BUCKET = "exports"
KEY, SECRET = "tests-key", "tests-secret"


class S3:
    """A server with one bucket that `start` starts. It keeps its port."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._directory = run.private_directory("s3")
        self.port: int | None = None
        self.process: Process | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """Return the environment variables with which a process stores its files here."""
        query = urlencode({"endpoint": self.endpoint, "addressing": "path", "region": "tests-1"})
        return {
            "STORAGE_URL": f"s3://{BUCKET}/waybill?{query}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def start(self) -> None:
        if self.is_running:
            return
        self.port = self.port or free_port()
        data = self._run.private_directory("s3/data")
        self._run.private_directory(f"s3/data/{BUCKET}")
        options = {
            "--addr": f"{HOST}:{self.port}",
            "--auth-key": f"{KEY},{SECRET}",
            # The server does not touch files of the user.
            "--config": self._directory / "none.conf",
            "--cache-dir": self._directory / "cache",
        }
        arguments = [part for option in options.items() for part in option]
        self.process = self._run.start("s3", [COMMAND, "serve", "s3", *arguments, data])
        self.process.wait_ready(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def _answers(self) -> bool:
        with closing(socket.socket()) as client:
            client.settimeout(5)
            return client.connect_ex((HOST, self.port)) == 0
