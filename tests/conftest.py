"""The testing ground: which database, which services, and what a failure shows.

`--database sqlite` (the default) or `--database postgres` chooses what Django is given;
`python -m tests` does both at once, each in three groups. Services start when the first test
asks for them by a fixture, so that a unit test waits for nothing.
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


# How long an example takes is the machine's affair, and no property of what is tested.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

HERE = Path(__file__).parent
# What fails cheaply fails first. Within a tier the tests of a folder stay together, for what
# they share; else the order is random.
TIERS = environment.TIERS

RUN = pytest.StashKey[Run]()
VALKEY = pytest.StashKey[Valkey]()
POSTGRES = pytest.StashKey[Postgres]()
S3_SERVER = pytest.StashKey[S3]()
# The processes before the test, and how many characters those have said that still run.
BEFORE = pytest.StashKey[dict[Process, int | None]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=environment.DATABASES,
        default="sqlite",
        help="the database that Django is given; with postgres, only tests that use it are run",
    )
    parser.addoption(
        "--tiers",
        default=",".join(TIERS),
        help="the folders whose tests are run, of those that are chosen",
    )
    parser.addoption(
        "--differential-minutes",
        type=float,
        default=0,
        help="how long tests/integration/exports/differential looks for counter-examples of its own; "
        "without it, it tries the same few each time",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Point Django at this run's services, and load it: test modules import models."""
    # A script's shell has it ignored in the background, and every process that we start
    # would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = config.stash[RUN] = Run()
    config.stash[VALKEY] = Valkey(run)
    config.stash[POSTGRES] = Postgres(run)
    config.stash[S3_SERVER] = S3(run)
    environment.prepare(
        run, config.getoption("--database"), config.stash[VALKEY], config.stash[POSTGRES]
    )
    django.setup()
    # Each client of a test has the middleware made anew, and this one would look at each file
    # of each app. The web servers that tests start are processes, with settings of their own.
    settings.SERVESTATIC_USE_FINDERS = settings.SERVESTATIC_USE_STATIC_ROOT = False
    # A password of a test is no secret. A hash says how often it was made, so that processes
    # which take that for too few can check it all the same.
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
    """A test has its folder's name as a marker: `-m "not browser"`."""
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
    """Whether `item` can tell the databases apart, or is run on the first of them."""
    if marker := item.get_closest_marker("only_on"):
        return database == marker.args[0]
    return database == environment.DATABASES[0] or _uses_database(item)


def _uses_database(item: pytest.Item) -> bool:
    fixtures = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or item.get_closest_marker("django_db") is not None


def _place(item: pytest.Item) -> tuple[int, bool, Path]:
    # What commits leaves other keys behind than what is rolled back, so it comes after it.
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
    """A skipped test has failed. A failure shows what processes have said in its time."""
    report = yield
    # A platform may be without what a test is about; the tests are not without a service.
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("skipif")
    if report.skipped and not expected and call.excinfo:
        report.outcome = "failed"
        report.longrepr = f"{call.excinfo.value}\nNothing is skipped here: see to what it needs."
    if report.failed:
        for process in item.config.stash[RUN].processes:
            before = item.stash[BEFORE].get(process, 0)
            if before is not None and (said := process.log_text()[before:]):
                report.sections.append((f"log of {process!r}", said[-LOG_TAIL:]))
    return report


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """This test run: a private directory, and the processes started in it."""
    return request.config.stash[RUN]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
    """Make the test database under the name that the environment gives to every process."""
    from django.db import connection

    connection.settings_dict["TEST"]["NAME"] = connection.settings_dict["NAME"]
    config = request.config
    if config.getoption("--database") == "postgres" and not environment.GIVEN:
        config.stash[POSTGRES].start()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Before the database is dropped at the end, end what threads may still hold of it."""
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
    """The Valkey that the settings name: running and empty. It may be killed or frozen."""
    server = request.config.stash[VALKEY]
    server.start()
    server.flush()
    yield server
    if server.is_running:
        server.thaw()


@pytest.fixture
def s3(request: pytest.FixtureRequest) -> S3:
    """An S3 server with a bucket. It keeps what other tests have left in it."""
    server = request.config.stash[S3_SERVER]
    server.start()
    return server


@pytest.fixture
def postgres(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Postgres]:
    """The PostgreSQL that Django uses, for tests that are `only_on("postgres")`."""
    server = request.config.stash[POSTGRES]
    yield server
    server.start()
    # A thread that async tests share keeps its connection, which a restart has cut.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture
def start_worker(
    run: Run, transactional_db: None, valkey: Valkey
) -> Iterator[Callable[..., Worker]]:
    """Start workers, with settings of their own: `start_worker(EXPORTS_LEASE_SECONDS="2")`."""
    started: list[Worker] = []

    def start(**env: str) -> Worker:
        started.append(Worker(run, env))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()  # At once. How it stops is for a test to ask.


@pytest.fixture
def worker(start_worker: Callable[..., Worker]) -> Worker:
    """A worker that has answered: a process of its own, on the test's database."""
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
    """Start web servers, with settings of their own."""
    started: list[Server] = []

    def start(**env: str) -> Server:
        started.append(Server(run, env))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """A web server that has answered: Daphne, on the test's database."""
    return start_server()


@pytest.fixture
def beat(run: Run, transactional_db: None, valkey: Valkey) -> Iterator[Process]:
    """Celery's clock, which asks for a rescue."""
    process = start_beat(run)
    yield process
    process.kill()
