"""A long export gives way to those that wait, and what it has done is kept."""

from __future__ import annotations

import pytest

from exports import lifecycle
from exports.models import Export
from exports.serialize import queue_position
from exports.status import Status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.proves("long-exports-give-way")
def test_worker_finishes_a_small_export_during_a_long_one(depot):
    depot.muster(1)
    early, late = (depot.traps.hold(place) for place in ("row-000325", "row-000525"))
    long = depot.request()
    early.wait()

    small = depot.request("few")
    early.release()
    late.wait()  # Only who has taken it up again comes here.

    small.refresh_from_db()
    assert small.status == Status.SUCCEEDED
    depot.wait_for(long, Status.RUNNING)
    assert (long.attempt, long.handovers) == (2, 1)
    late.release()
    depot.assert_unharmed(long)
    # The fourth was claimed by then, and given back.
    assert list(long.parts.values_list("attempt", flat=True)) == [1, 1, 1, 2, 1, 1]


@pytest.mark.proves("long-exports-give-way")
def test_helper_gives_way_after_its_part_and_the_holder_stays(depot):
    depot.muster()
    holds = [depot.traps.hold(place) for place in ("row-000010", "row-000160")]
    long = depot.request("shared")
    for hold in holds:
        hold.wait()
    _, part = depot.helper(long)

    small = depot.request("few")
    holds[part.number - 1].release()
    depot.wait_for(small)

    assert small.status == Status.SUCCEEDED
    depot.wait_for(long, Status.RUNNING)
    holds[2 - part.number].release()
    depot.assert_unharmed(long)
    assert (long.attempt, long.handovers) == (1, 0)


@pytest.mark.proves("long-exports-give-way")
def test_queued_exports_know_their_positions(depot):
    depot.muster(1)
    hold = depot.traps.hold("row-000325")
    running = depot.request()
    hold.wait()

    waiting = [depot.request("few") for _ in range(3)]

    assert [queue_position(export) for export in waiting] == [1, 2, 3]
    lifecycle.cancel(waiting[0])
    assert [queue_position(each) for each in Export.objects.order_by("created_at")] == [
        None,
        None,
        1,
        2,
    ]
    hold.release()
    depot.assert_unharmed(running)
    for export in waiting[1:]:
        depot.wait_for(export, Status.SUCCEEDED)
