"""PostgreSQL crashes and comes back: what was committed is kept, and the export goes on."""

from __future__ import annotations

import pytest
from django.db import connections

from exports.models import PartStatus
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgres")]


def kept_parts(export):
    return dict(export.parts.filter(status=PartStatus.DONE).values_list("number", "attempt"))


@pytest.mark.proves("postgres-crash-costs-one-part")
@pytest.mark.parametrize("place", ["row-000525", "saved-part-000004", "save-file", "saved-file"])
def test_crash_of_postgres_costs_the_part_in_hand(depot, clock, postgres, place):
    depot.muster()
    hold = depot.traps.hold(place)
    export = depot.request()
    hold.wait()
    kept = kept_parts(export)

    postgres.crash()
    postgres.start()
    connections.close_all()
    hold.release()

    depot.assert_unharmed(export)
    assert kept.items() <= kept_parts(export).items()


@pytest.mark.proves("postgres-crash-costs-one-part")
def test_postgres_crash_during_a_copy_costs_the_part_in_hand(depot, clock, postgres, gate):
    depot.muster()
    gate.close(525)
    export = depot.request("copied")
    gate.wait()
    holder = depot.holder(export)

    postgres.crash()
    wait_until(lambda: "Database error." in holder.said(), what="it has noticed")
    postgres.start()
    connections.close_all()

    depot.assert_unharmed(export)
    assert export.attempt == 2


@pytest.mark.proves("postgres-crash-costs-one-part")
def test_postgres_crash_costs_two_workers_their_parts(depot, clock, postgres):
    depot.muster()
    holds = [depot.traps.hold(place) for place in ("row-000010", "row-000160")]
    export = depot.request("shared")
    for hold in holds:
        hold.wait()

    postgres.crash()
    for hold in holds:
        hold.release()
    for hand in depot.hands:
        wait_until(lambda hand=hand: "OperationalError" in hand.said(), what="each has noticed")
    postgres.start()
    connections.close_all()

    depot.assert_unharmed(export)
