"""A worker stands still for longer than its lease, and comes back when others have gone on."""

from __future__ import annotations

import pytest

from exports.models import Export
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.proves("one-worker-holds-an-export")
@pytest.mark.parametrize("place", ["row-000525", "saved-part-000004", "saved-file"])
def test_frozen_worker_changes_nothing_after_another_finished(depot, clock, place):
    depot.muster()
    hold = depot.traps.hold(place)
    export = depot.request()
    hold.wait()
    frozen = depot.holder(export)
    frozen.freeze()
    hold.release()
    depot.wait_for(export)
    before = Export.objects.values().get(pk=export.pk)

    frozen.thaw()

    wait_until(lambda: "is over. This worker stops." in frozen.said(), what="it notices")
    depot.assert_unharmed(export)
    assert export.attempt == 2
    assert Export.objects.values().get(pk=export.pk) == before


@pytest.mark.proves("one-worker-holds-an-export")
@pytest.mark.parametrize(
    "places",
    [("row-000325", "row-000525"), ("open-part-000002", "open-part-000005")],
    ids=["extracting", "assembling"],
)
def test_frozen_worker_changes_nothing_while_another_works(depot, clock, places):
    depot.muster()
    first, second = (depot.traps.hold(place) for place in places)
    export = depot.request()
    first.wait()
    frozen = depot.holder(export)
    frozen.freeze()
    first.release()
    second.wait()

    frozen.thaw()

    wait_until(lambda: "is over. This worker stops." in frozen.said(), what="it notices")
    second.release()
    depot.assert_unharmed(export)
    assert export.attempt == 2
