"""What a test run says to Django, and to every process it starts: by environment.

The settings name the database of the run itself; pytest-django makes it under that very
name. So a worker, a web server or `manage.py` that a test starts finds the same data
with nothing more said.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from environs import Env

from config import app_settings
from tests.services.processes import ROOT

if TYPE_CHECKING:
    from tests.services.postgres import Postgres
    from tests.services.processes import Run
    from tests.services.valkey import Valkey

DATABASES = ("sqlite", "postgres")
# The folders of tests, in groups that are run beside each other: those that keep a processor
# busy, those that wait for workers which are killed and for leases, and those for a browser.
GROUPS = (("unit", "js", "integration"), ("acceptance", "faults"), ("browser",))
TIERS = tuple(tier for group in GROUPS for tier in group)
# A PostgreSQL server to test on, where ours cannot run.
GIVEN = os.environ.get("TEST_DATABASE_URL", "")
SETTINGS = ROOT / "config" / "settings.py"
# Where variables are read by name. The others are in config/app_settings.py.
SETTINGS_SOURCES = (SETTINGS, ROOT / "config" / "database.py")
# Production refuses that of development. With one for all, who is signed in is so everywhere.
SECRET_KEY = "of the tests, and of nothing else: " + "x" * 50


def settings_in_environment() -> list[str]:
    """The names of the variables that the settings read."""
    source = "".join(path.read_text() for path in SETTINGS_SOURCES)
    read_directly = re.findall(r"""env(?:\.\w+)?\(\s*["']([A-Z_]+)["']""", source)
    return sorted({*read_directly, *app_settings.parsers(Env())})


def prepare(run: Run, database: str, valkey: Valkey, postgres: Postgres) -> None:
    """Set the environment. It must happen before Django reads its settings."""
    for name in (
        *settings_in_environment(),
        *(name for name in os.environ if name.startswith(("PG", "AWS_"))),
    ):
        # What a developer has exported for a server of theirs is not for the tests.
        os.environ.pop(name, None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["SECRET_KEY"] = SECRET_KEY
    # Nor are their credentials for S3, nor those that a machine in a cloud would be given.
    nowhere = run.directory / "none"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(nowhere)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["VAR_DIR"] = str(run.private_directory("var"))
    os.environ["REDIS_URL"] = valkey.url
    # Tests are quicker than people. Those of this limit set it, and a browser has the default.
    os.environ["REQUESTS_PER_SECOND"] = "0"
    # However full the disk of the machine is, and whatever a test stores. Tests of room say so.
    for name in (
        "MAX_REQUESTS_PER_DAY",
        "MAX_STORED_BYTES_PER_USER",
        "MAX_STORED_BYTES",
        "MIN_FREE_BYTES",
    ):
        os.environ[f"EXPORTS_{name}"] = "0"
    if database == "sqlite":
        # A file: other processes cannot see a database in memory.
        os.environ["DATABASE_URL"] = f"sqlite:///{run.private_directory('var') / 'test.sqlite3'}"
    else:
        os.environ["DATABASE_URL"] = (
            database_of_this_run(GIVEN) if GIVEN else postgres.url("test_waybill")
        )


def database_of_this_run(url: str) -> str:
    """The URL of a database that is not there yet, on the server that `url` names.

    Tests empty their database: never the one that somebody named.
    """
    parts = urlsplit(url)
    name = f"test_{parts.path.lstrip('/') or 'waybill'}_{os.getpid()}"
    return urlunsplit(parts._replace(path=f"/{name}"))
