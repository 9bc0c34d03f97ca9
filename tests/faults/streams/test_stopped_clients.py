"""Clients that stop reading, and clients that read and never acknowledge, beside one that behaves.

`make bench ARGS=streams` measures the same with two hundred of them and 100 000 events.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from benchmarks import stopped
from benchmarks.crowd import Address
from tests.services.waybill import HOST
from tests.support.streaming import append, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)

STALLED = {"NOTIFICATIONS_HEARTBEAT_SECONDS": "2", "NOTIFICATIONS_STALLED_SECONDS": "3"}
EACH = 10
WINDOW = 256
EVENTS, BATCH = 5_000, 250


@pytest.fixture
def server(start_server):
    return start_server(**STALLED, NOTIFICATIONS_MAX_CONNECTIONS="0")  # All are one user.


@pytest.fixture
def address(server):
    user = User.objects.create_user("ada")
    return Address(HOST, server.port, session_of(user), f"user-{user.pk}")


@pytest.mark.proves("slow-clients-cost-one-window")
async def test_stopped_clients_cost_little_and_miss_nothing(server, address, record_property):

    async def publish(events):
        for begin in range(0, events, BATCH):
            facts = ["log"] * min(BATCH, events - begin)
            await in_thread(append, address.stream, *facts, text="x" * 1_000)

    figures = await stopped.measure(
        address,
        server.process.pid,
        publish,
        window=WINDOW,
        events=EVENTS,
        each=EACH,
        returning=EACH,
    )

    record_property("grown by, MiB", round(figures.after - figures.full, 1))
    record_property("slowest pong, ms", round(figures.slowest_pong * 1000))
    assert figures.codes == [4408] * EACH
    assert figures.left == 1
    # Without a window it would hold 5 MiB for each of the twenty. Mostly it grows by nothing.
    assert figures.after - figures.full < 40
    assert "Traceback" not in server.process.log_text()
