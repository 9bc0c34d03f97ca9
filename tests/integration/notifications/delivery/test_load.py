"""Many at once, on a real Daphne; and many pushes from one worker.

`make bench ARGS=streams` measures the same with more of each.
"""

from __future__ import annotations

import sys

import pytest
from django.contrib.auth.models import User
from django.db import connection

from benchmarks import sends, storm
from benchmarks.crowd import Address
from tests.services.waybill import HOST
from tests.support.streaming import append, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 200
THREADS = 3
# A page that asks the database for who has signed in, and for more.
PATHS = ("/health/live", "/exports/")
SENDS = 1_000


@pytest.fixture
def server(start_server):
    return start_server(
        NOTIFICATIONS_DATABASE_THREADS=str(THREADS),
        NOTIFICATIONS_MAX_CONNECTIONS="0",  # All clients are one user.
        NOTIFICATIONS_SWEEP_SECONDS="0.5",
    )


@pytest.fixture
def address(server):
    user = User.objects.create_user("ada")
    return Address(HOST, server.port, session_of(user), f"user-{user.pk}")


def connections_of_others():
    """To the test's database, but for ours. SQLite has no server to count them."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


@pytest.mark.proves("mass-reconnect-catches-up")
@pytest.mark.timeout(300)
async def test_mass_reconnect_catches_up_while_pages_are_served(server, address, record_property):
    # Those of the testing ground: of its own threads.
    ours = await in_thread(connections_of_others)

    async def publish(events):
        await in_thread(append, address.stream, *["log"] * events)

    def stop():
        server.process.kill()

    def start():
        server.restart()

    figures = await storm.measure(
        address,
        stop,
        start,
        publish,
        lambda: in_thread(lambda: connections_of_others() - ours),
        clients=CLIENTS,
        missed=20,
        kept=THREADS,
        paths=PATHS,
    )

    record_property("level, s", round(figures.level, 1))
    # Those of the pool, and one for each of the two that ask for pages.
    assert figures.most <= THREADS + len(PATHS)
    assert figures.left <= THREADS
    assert "Traceback" not in server.process.log_text()


@pytest.mark.proves("pushing-leaves-nothing-behind")
@pytest.mark.timeout(300)
def test_pushing_worker_leaves_no_connection_or_thread(run, valkey):
    worker = run.start("sender", [sys.executable, *sends.worker("sender@tests")])
    try:
        worker.wait_ready(lambda: " ready." in worker.log_text())
        figures = sends.measure(valkey.client, SENDS)
    finally:
        worker.kill()

    assert figures.sent == SENDS
    assert figures.threads_after == figures.threads_before
    assert figures.files_after == figures.files_before
    assert figures.connections_after == figures.connections_before
