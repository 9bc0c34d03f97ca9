"""Environment variables for Django and for all processes of a test run.

The settings name the database of the run, and pytest-django creates it with that name. So a
worker, a web server or `manage.py` finds the same data as the test that has started it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from environs import Env

from tests.services.processes import ROOT

if TYPE_CHECKING:
    from tests.services.postgres import Postgres
    from tests.services.processes import Run
    from tests.services.valkey import Valkey

DATABASES = ("sqlite", "postgres")
# The folders of tests, in groups that run at the same time: tests that keep a processor busy, tests
# that wait for killed workers and leases, and browser tests.
GROUPS = (("unit", "js", "integration"), ("acceptance", "faults"), ("browser",))
TIERS = tuple(tier for group in GROUPS for tier in group)
# Their tests use no database, so PostgreSQL could not change their results.
WITHOUT_DATABASE = ("unit", "js")
# The URL of another PostgreSQL server, for systems on which the embedded one does not run.
GIVEN = os.environ.get("TEST_DATABASE_URL", "")
SETTINGS = ROOT / "config" / "settings.py"
# The modules that read variables by name. config/app_settings.py reads the others.
SETTINGS_SOURCES = (SETTINGS, ROOT / "config" / "database.py")
# Production refuses the key of development. All servers have this key, so they share sessions.
SECRET_KEY = "of the tests, and of nothing else: " + "x" * 50


def settings_in_environment() -> list[str]:
    """Return the names of the variables that the settings read."""
    # Importing `config` sets DJANGO_SETTINGS_MODULE. In a process that only starts others, all of
    # them would inherit it and read the settings too early.
    from config import app_settings

    source = "".join(path.read_text() for path in SETTINGS_SOURCES)
    read_directly = re.findall(r"""env(?:\.\w+)?\(\s*["']([A-Z_]+)["']""", source)
    return sorted({*read_directly, *app_settings.parsers(Env())})


def prepare(run: Run, database: str, valkey: Valkey, postgres: Postgres) -> None:
    """Set the environment, before Django reads its settings."""
    for name in (
        *settings_in_environment(),
        *(name for name in os.environ if name.startswith(("PG", "AWS_"))),
    ):
        # Variables for a developer's own server must not affect the tests.
        os.environ.pop(name, None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["SECRET_KEY"] = SECRET_KEY
    # Neither must credentials for S3, of the developer or of a machine in a cloud.
    nowhere = run.directory / "none"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(nowhere)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["VAR_DIR"] = str(run.private_directory("var"))
    os.environ["REDIS_URL"] = valkey.url
    # Tests send more requests than people. Tests of this limit set it, and browser tests have the
    # default.
    os.environ["REQUESTS_PER_SECOND"] = "0"
    # The tests must not depend on the free space of the machine. Tests of these limits set them.
    for name in (
        "MAX_REQUESTS_PER_DAY",
        "MAX_STORED_BYTES_PER_USER",
        "MAX_STORED_BYTES",
        "MIN_FREE_BYTES",
    ):
        os.environ[f"EXPORTS_{name}"] = "0"
    if database == "sqlite":
        # Other processes cannot see a database in memory, so it is a file.
        os.environ["DATABASE_URL"] = f"sqlite:///{run.private_directory('var') / 'test.sqlite3'}"
    else:
        os.environ["DATABASE_URL"] = (
            database_of_this_run(GIVEN) if GIVEN else postgres.url("test_waybill")
        )


def database_of_this_run(url: str) -> str:
    """Return the URL of a new database on the server of `url`.

    Tests empty their database, so they must not use the one in `url`.
    """
    parts = urlsplit(url)
    name = f"test_{parts.path.lstrip('/') or 'waybill'}_{os.getpid()}"
    return urlunsplit(parts._replace(path=f"/{name}"))
