"""Where the measuring happens: a directory, a database and a Valkey that are gone afterwards."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry

from config.run.processes import valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

# Those of a checkout that somebody uses: its data, its files, its Redis, its way to run.
NOT_OURS = ("STORAGE_URL", "EXPORTS_WORK_DIR", "REDIS_PREFIX", "DEBUG", "LOG_LEVEL")


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """The environment for whatever measures. SQLite, unless BENCH_DATABASE_URL names another.

    Never the database of DATABASE_URL: what is measured fills tables, and makes a superuser.
    """
    with tempfile.TemporaryDirectory(prefix="waybill-bench-") as path:
        var = Path(path)
        database = os.environ.get("BENCH_DATABASE_URL") or f"sqlite:///{var / 'bench.sqlite3'}"
        if database == os.environ.get("DATABASE_URL"):
            raise SystemExit("BENCH_DATABASE_URL must not be DATABASE_URL: name an empty database.")
        with _valkey(var / "valkey.sock") as redis_url:
            yield {
                **{name: value for name, value in os.environ.items() if name not in NOT_OURS},
                "VAR_DIR": str(var),
                "DATABASE_URL": database,
                "REDIS_URL": redis_url,
            }


@contextmanager
def _valkey(socket: Path) -> Iterator[str]:
    """A Valkey of our own while the block runs, and its URL."""
    patient = Retry(ConstantBackoff(0.05), retries=200, supported_errors=(NoConnection,))
    with subprocess.Popen(valkey(socket), stdout=subprocess.DEVNULL) as process:
        try:
            with Redis(unix_socket_path=str(socket), retry=patient) as client:
                client.ping()
            yield f"unix://{socket}"
        finally:
            process.terminate()
