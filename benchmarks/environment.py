"""The environment of measurements: a temporary directory, database and Valkey."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.core.management import call_command
from django.db import connections
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry

from config.run.processes import valkey
from tests.services.postgres import Postgres
from tests.services.processes import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Settings of the caller that must not affect measurements.
IGNORED = ("STORAGE_URL", "EXPORTS_WORK_DIR", "REDIS_PREFIX", "DEBUG", "LOG_LEVEL")

# As in production, the server waits for the disk. It allows enough connections for a hundred
# workers.
SERVER_SETTINGS = {"fsync": "on", "full_page_writes": "on", "max_connections": 400}

SQLITE, POSTGRES = DATABASES = ("sqlite", "postgres")


@contextmanager
def isolated(database: str = SQLITE) -> Iterator[dict[str, str]]:
    """Yield the environment variables for measurements on `database` or BENCH_DATABASE_URL.

    Measurements never use DATABASE_URL, because they fill tables and create superusers.
    """
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as path:
        var = Path(path)
        with _database(database, var) as named, _valkey(var / "valkey.sock") as redis_url:
            yield {
                **{name: value for name, value in os.environ.items() if name not in IGNORED},
                "VAR_DIR": str(var),
                # Measurements may store any number of bytes.
                "EXPORTS_MAX_REQUESTS_PER_DAY": "0",
                "EXPORTS_MAX_STORED_BYTES_PER_USER": "0",
                "EXPORTS_MAX_STORED_BYTES": "0",
                "EXPORTS_MIN_FREE_BYTES": "0",
                **named,
                "REDIS_URL": redis_url,
            }


def use(environment: Mapping[str, str], *, static_files: bool = False) -> None:
    """Set up Django in this process with `environment`, and prepare the database."""
    os.environ.update(environment)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    if static_files:
        call_command("collectstatic", interactive=False, verbosity=0)
    connections.close_all()  # Benchmarks count the connections of other processes.


@contextmanager
def _database(kind: str, var: Path) -> Iterator[dict[str, str]]:
    """Yield DATABASE_URL, and for PostgreSQL the path of psql as PSQL, if there is one."""
    if url := os.environ.get("BENCH_DATABASE_URL"):
        if url == os.environ.get("DATABASE_URL"):
            raise SystemExit("BENCH_DATABASE_URL must not be DATABASE_URL: name an empty database.")
        yield {"DATABASE_URL": url, "PSQL": shutil.which("psql") or ""}
    elif kind == SQLITE:
        yield {"DATABASE_URL": f"sqlite:///{var / 'bench.sqlite3'}"}
    else:
        with closing(Run()) as run:
            server = Postgres(run, SERVER_SETTINGS)
            server.start()
            yield {"DATABASE_URL": server.url("postgres"), "PSQL": str(server.binary("psql"))}


@contextmanager
def _valkey(socket: Path) -> Iterator[str]:
    """Run a Valkey during the block. Yield its URL."""
    patient = Retry(ConstantBackoff(0.05), retries=200, supported_errors=(NoConnection,))
    with subprocess.Popen(shlex.split(valkey(socket)), stdout=subprocess.DEVNULL) as process:
        try:
            with Redis(unix_socket_path=str(socket), retry=patient) as client:
                client.ping()
            yield f"unix://{socket}"
        finally:
            process.terminate()
