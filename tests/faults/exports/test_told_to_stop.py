"""A worker is told to stop, as by a deployment: what it has is given back at once.

Nobody rescues here, and a lease is ten minutes: another worker goes on only if it is asked to.
"""

from __future__ import annotations

import signal

import pytest

from exports.models import PartStatus
from exports.status import Status
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LONG = {"EXPORTS_LEASE_SECONDS": "600"}
HELD = ("row-000010", "row-000160")  # in the first two of six parts


def tell(hand):
    hand.process.signal(signal.SIGTERM)
    wait_until(lambda: "Warm shutdown" in hand.said(), what="it knows that it is to stop")


@pytest.mark.proves("deployment-costs-one-part")
@pytest.mark.parametrize("place", ["row-000525", "open-part-000004"])
def test_export_continues_elsewhere_without_waiting_for_a_lease(depot, place):
    depot.muster(**LONG)
    hold = depot.traps.hold(place)
    export = depot.request()
    hold.wait()
    leaving = depot.holder(export)

    tell(leaving)
    hold.release()

    assert leaving.process.wait() == 0
    depot.assert_unharmed(export)
    assert (export.attempt, export.handovers) == (2, 1)


@pytest.mark.proves("deployment-costs-one-part")
@pytest.mark.only_on("postgres")
def test_long_query_does_not_delay_a_worker_that_stops(depot, gate):
    depot.muster(**LONG)
    gate.close(525)
    export = depot.request("copied")
    gate.wait()
    leaving = depot.holder(export)

    tell(leaving)

    assert leaving.process.wait() == 0
    depot.wait_for(export, Status.RUNNING)
    gate.open()
    depot.assert_unharmed(export)
    assert (export.attempt, export.handovers) == (2, 1)


@pytest.mark.proves("deployment-costs-one-part")
def test_helper_that_stops_releases_its_part(depot):
    depot.muster(**LONG)
    holds = [depot.traps.hold(place) for place in HELD]
    export = depot.request("shared")
    for hold in holds:
        hold.wait()
    leaving, part = depot.helper(export)

    tell(leaving)
    for hold in holds:
        hold.release()

    assert leaving.process.wait() == 0
    depot.assert_unharmed(export)
    assert (export.attempt, export.handovers) == (1, 0)
    part.refresh_from_db()
    assert (part.status, part.attempt) == (PartStatus.DONE, 2)
    assert part.worker != leaving.name
