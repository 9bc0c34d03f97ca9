"""Two workers share an export, and something happens to one of them."""

from __future__ import annotations

import pytest

from exports.models import PartStatus
from exports.status import Status
from tests.support.exporting import log
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

HELD = ("row-000010", "row-000160")  # in the first two of six parts
LAST = "row-000850"


@pytest.fixture
def shared(depot):
    """An export that two workers share, each held in one of the first two parts."""
    depot.muster()
    holds = [depot.traps.hold(place) for place in HELD]
    export = depot.request("shared")
    for hold in holds:
        hold.wait()
    return export


@pytest.fixture
def go_on(depot):
    """A function that lets everybody go on who is held."""

    def go_on():
        for place in HELD:
            depot.traps.remove(place)

    return go_on


def attempts(export):
    return sorted(export.parts.values_list("attempt", flat=True))


@pytest.mark.proves("helpers-write-the-same-bytes")
def test_two_workers_share_an_export(depot, shared, go_on):
    helper, _ = depot.helper(shared)

    go_on()

    depot.assert_unharmed(shared)
    assert shared.attempt == 1
    assert attempts(shared) == [1] * 6
    assert helper.name in set(shared.parts.values_list("worker", flat=True))
    assert f"rows, by {helper.name}." in "".join(log(shared))


@pytest.mark.proves("helpers-write-the-same-bytes")
def test_killed_helper_costs_its_part_and_needs_no_rescue(depot, shared, go_on):
    helper, part = depot.helper(shared)

    depot.kill_child(helper)
    go_on()

    depot.assert_unharmed(shared)
    assert shared.attempt == 1
    assert attempts(shared) == [1] * 5 + [2]
    part.refresh_from_db()
    assert part.attempt == 2


@pytest.mark.proves("helpers-write-the-same-bytes")
def test_frozen_helper_changes_nothing_after_its_part_is_redone(depot, shared, go_on):
    helper, _ = depot.helper(shared)
    helper.freeze()
    go_on()
    depot.wait_for(shared)

    helper.thaw()

    wait_until(lambda: "This worker stops helping: " in helper.said(), what="it notices")
    depot.assert_unharmed(shared)
    assert shared.attempt == 1
    assert attempts(shared) == [1] * 5 + [2]


@pytest.mark.proves("helpers-write-the-same-bytes")
def test_parts_finished_by_helpers_survive_the_holder(depot, clock, shared, go_on):
    last = depot.traps.hold(LAST)
    helper, part = depot.helper(shared)

    depot.kill_child(depot.holder(shared))
    go_on()
    last.wait()
    depot.wait_for(shared, Status.QUEUED, Status.RUNNING)
    last.release()

    depot.assert_unharmed(shared)
    assert shared.attempt == 2
    part.refresh_from_db()
    assert (part.attempt, part.worker, part.status) == (1, helper.name, PartStatus.DONE)
    assert attempts(shared)[:4] == [1] * 4


@pytest.mark.proves("helpers-write-the-same-bytes")
def test_frozen_holder_changes_nothing_after_its_helper_finished(depot, clock, shared, go_on):
    holder = depot.holder(shared)
    holder.freeze()
    go_on()
    depot.wait_for(shared)

    holder.thaw()

    wait_until(lambda: "is over. This worker stops." in holder.said(), what="it notices")
    depot.assert_unharmed(shared)
    assert shared.attempt == 2


@pytest.mark.proves("helpers-write-the-same-bytes")
def test_part_that_a_helper_cannot_store_is_left_to_the_holder(depot, shared, go_on):
    depot.traps.set("save-part-000003", "fail once")
    holder = depot.holder(shared)
    helper, _ = depot.helper(shared)
    holder.freeze()  # Not for as long as a lease.
    go_on()
    wait_until(lambda: "could not be extracted by a helper" in helper.said(), what="it gives up")

    holder.thaw()

    depot.assert_unharmed(shared)
    assert attempts(shared) == [1] * 5 + [2]
