"""The surroundings of all tests: the database, the services, and the report of a failure.

`--database sqlite` (the default) or `--database postgres` chooses the database of Django.
`python -m tests` runs both at once. A service starts when the first test requests its fixture,
so a unit test waits for none.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import django
import hypothesis
import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections

from tests.services import environment
from tests.services.postgres import Postgres
from tests.services.processes import LOG_TAIL, Process, Run
from tests.services.s3 import S3
from tests.services.valkey import Valkey
from tests.services.waybill import HOST, Server, Worker, start_beat

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from pytest_django import DjangoDbBlocker


# The time that an example takes depends on the machine, not on the tested code.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

HERE = Path(__file__).parent
# Quick tests run first. Within a tier, the tests of a folder stay together because they share
# fixtures. The order is random otherwise.
TIERS = environment.TIERS

RUN = pytest.StashKey[Run]()
VALKEY = pytest.StashKey[Valkey]()
POSTGRES = pytest.StashKey[Postgres]()
S3_SERVER = pytest.StashKey[S3]()
# For each process before the test: the length of its log, or None if it has ended.
BEFORE = pytest.StashKey[dict[Process, int | None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=environment.DATABASES,
        default="sqlite",
        help="the database of Django; on postgres, only tests that use a database run",
    )
    parser.addoption(
        "--tiers",
        default=",".join(TIERS),
        help="run only tests of these folders",
    )
    parser.addoption(
        "--differential-minutes",
        type=float,
        default=0,
        help="how long tests/integration/exports/differential searches for new counter-examples; "
        "by default it tries the same examples each time",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set up Django with this run's services, because test modules import models."""
    # A shell ignores SIGINT for background jobs, and every process of a test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = config.stash[RUN] = Run()
    config.stash[VALKEY] = Valkey(run)
    config.stash[POSTGRES] = Postgres(run)
    config.stash[S3_SERVER] = S3(run)
    environment.prepare(
        run, config.getoption("--database"), config.stash[VALKEY], config.stash[POSTGRES]
    )
    django.setup()
    # Each test client creates the middleware, and this one would read the name of every static
    # file each time. The web servers of tests are processes with their own settings.
    settings.SERVESTATIC_USE_FINDERS = settings.SERVESTATIC_USE_STATIC_ROOT = False
    # Passwords of tests are not secret. Other processes can check them, because a hash contains
    # its number of iterations.
    PBKDF2PasswordHasher.iterations = 1


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        config.stash[RUN].close()


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.getoption('--database')}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the tests of tiers that are not run here: that takes seconds."""
    folder = collection_path.relative_to(HERE).parts[:1]
    return True if {*folder} & {*TIERS} - _chosen_tiers(config) else None


def _chosen_tiers(config: pytest.Config) -> set[str]:
    tiers = set(config.getoption("--tiers").split(","))
    if unknown := tiers - set(TIERS):
        raise pytest.UsageError(f"No tiers: {', '.join(unknown)}. There are: {', '.join(TIERS)}.")
    return tiers


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test with the name of its tier, for `-m "not browser"`."""
    item.add_marker(TIERS[_tier(item)])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    database = config.getoption("--database")
    tiers = _chosen_tiers(config)
    belonging = (item for item in items if TIERS[_tier(item)] in tiers and _belongs(item, database))
    chosen = sorted(belonging, key=_place)
    if unwanted := set(items) - set(chosen):
        config.hook.pytest_deselected(items=list(unwanted))
    items[:] = chosen


def _belongs(item: pytest.Item, database: str) -> bool:
    """Return whether `item` runs on `database`. Tests without a database run on the first."""
    if marker := item.get_closest_marker("only_on"):
        return database == marker.args[0]
    return database == environment.DATABASES[0] or _uses_database(item)


def _uses_database(item: pytest.Item) -> bool:
    fixtures = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or item.get_closest_marker("django_db") is not None


def _place(item: pytest.Item) -> tuple[int, bool, Path]:
    # Tests that commit change the next keys of the tables, so they run last.
    return _tier(item), _commits(item), item.path.parent


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    is_marked = marker is not None and bool(marker.kwargs.get("transaction"))
    return is_marked or "transactional_db" in getattr(item, "fixturenames", ())


def _tier(item: pytest.Item) -> int:
    return TIERS.index(item.path.relative_to(HERE).parts[0])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[BEFORE] = {
        process: len(process.log_text()) if process.is_running else None
        for process in item.config.stash[RUN].processes
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail skipped tests, and add the logs of the test's processes to a failure."""
    report = yield
    # A platform may lack a feature that a test is about, but no service may be missing.
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("skipif")
    if report.skipped and not expected and call.excinfo:
        report.outcome = "failed"
        report.longrepr = (
            f"{call.excinfo.value}\nNo test may be skipped: provide the service that it needs."
        )
    if report.failed:
        for process in item.config.stash[RUN].processes:
            before = item.stash[BEFORE].get(process, 0)
            if before is not None and (said := process.log_text()[before:]):
                report.sections.append((f"log of {process!r}", said[-LOG_TAIL:]))
    return report


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """This test run: its private directory and its processes."""
    return request.config.stash[RUN]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
    """Use the database name of the environment, so that every process finds the database."""
    from django.db import connection

    connection.settings_dict["TEST"]["NAME"] = connection.settings_dict["NAME"]
    config = request.config
    if config.getoption("--database") == "postgres" and not environment.GIVEN:
        config.stash[POSTGRES].start()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """End the connections that threads still hold before the database is dropped."""
    from django.db import connection

    from tests.services.emptying import empty_quickly

    empty_quickly(connection)
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture
def valkey(request: pytest.FixtureRequest) -> Iterator[Valkey]:
    """The Valkey of the settings, running and empty. A test may kill or freeze it."""
    server = request.config.stash[VALKEY]
    server.start()
    server.flush()
    yield server
    if server.is_running:
        server.thaw()


@pytest.fixture
def s3(request: pytest.FixtureRequest) -> S3:
    """An S3 server with a bucket. The bucket keeps the files of earlier tests."""
    server = request.config.stash[S3_SERVER]
    server.start()
    return server


@pytest.fixture
def postgres(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Postgres]:
    """The PostgreSQL that Django uses, for tests that are `only_on("postgres")`."""
    server = request.config.stash[POSTGRES]
    yield server
    server.start()
    # The thread that async tests share keeps its connection, which a restart closes.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def start_worker(
    run: Run, transactional_db: None, valkey: Valkey
) -> Iterator[Callable[..., Worker]]:
    """Start workers with these settings: `start_worker(EXPORTS_LEASE_SECONDS="2")`."""
    started: list[Worker] = []

    def start(**env: str) -> Worker:
        started.append(Worker(run, env))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()  # Killing is quickest. Tests of stopping stop it themselves.


@pytest.fixture
def worker(start_worker: Callable[..., Worker]) -> Worker:
    """A worker process on the test's database. It is ready."""
    return start_worker()


@pytest.fixture(scope="session")
def production(run: Run) -> dict[str, str]:
    """The environment of a web server with DEBUG=0, whose static files have been collected."""
    env = {"DEBUG": "0", "HTTPS": "0", "ALLOWED_HOSTS": HOST}
    collecting = run.start(
        "collectstatic", [sys.executable, "manage.py", "collectstatic", "--no-input"], env=env
    )
    assert collecting.wait() == 0, collecting.log_text()
    return env


@pytest.fixture
def start_server(
    run: Run, transactional_db: None, valkey: Valkey
) -> Iterator[Callable[..., Server]]:
    """Start web servers with these settings."""
    started: list[Server] = []

    def start(**env: str) -> Server:
        started.append(Server(run, env))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """A Daphne process on the test's database. It is ready."""
    return start_server()


@pytest.fixture
def beat(run: Run, transactional_db: None, valkey: Valkey) -> Iterator[Process]:
    """Celery beat, which runs the periodic jobs."""
    process = start_beat(run)
    yield process
    process.kill()
