"""Build the entry of DATABASES from DATABASE_URL, with options for SQLite or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from config import app_settings, private

if TYPE_CHECKING:
    from environs import Env


def read(env: Env, default_file: Path) -> dict[str, Any]:
    """Return the database that DATABASE_URL names. Raise ImproperlyConfigured for other engines."""
    database: dict[str, Any] = env.dj_db_url("DATABASE_URL", f"sqlite:///{default_file}")
    if "sqlite3" in database["ENGINE"]:
        return database | _sqlite(Path(database["NAME"]))
    if "postgresql" in database["ENGINE"]:
        return database | _postgresql(env, database.get("OPTIONS", {}))
    raise ImproperlyConfigured("DATABASE_URL must begin with sqlite: or postgres:.")


def _sqlite(path: Path) -> dict[str, Any]:
    # SQLite creates the file, but not its directory.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private.tighten_database(path)
    # Several processes write. With Django's defaults one in seven transactions fails with
    # "database is locked"; with these options none did (docs/design.md).
    options = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    return {"OPTIONS": options}


def _postgresql(env: Env, options: dict[str, Any]) -> dict[str, Any]:
    limits = {
        "statement_timeout": env.str("DATABASE_STATEMENT_TIMEOUT", "10min"),
        "lock_timeout": env.str("DATABASE_LOCK_TIMEOUT", "10s"),
        "idle_in_transaction_session_timeout": env.str(
            "DATABASE_IDLE_IN_TRANSACTION_SESSION_TIMEOUT", "60s"
        ),
    }
    options = {
        **options,
        "connect_timeout": 5,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
    }
    # Only web processes have a pool. Workers fork, and each child needs only a few connections: for
    # its writes, for the rows that it reads, and for its leases.
    pool_size = env.int("DATABASE_POOL_SIZE", 0, validate=app_settings.AT_LEAST_0)
    if pool_size:
        options["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": 10,
            # While PostgreSQL is down, the pauses between the pool's attempts double until this
            # many seconds have passed. Then the pool gives up, and the next request starts new
            # attempts. With the default of five minutes, a pause may last for minutes.
            "reconnect_timeout": 5,
        }
    return {
        "ENGINE": "config.postgresql",
        "CONN_MAX_AGE": 0,
        # Without the check, each pooled connection fails one request after a restart of PostgreSQL.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
