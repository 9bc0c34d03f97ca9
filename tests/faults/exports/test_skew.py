"""The clock of a worker's host is wrong by ten minutes: leases go by the database's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exports.models import Export
from tests.faults.exports.crew import LEASE
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgres")]


@pytest.mark.proves("live-worker-keeps-its-export")
@pytest.mark.parametrize("seconds", [-600, 600])
def test_wrong_clock_neither_loses_nor_keeps_a_lease(depot, clock, seconds):
    [wrong] = depot.muster(1, CLOCK_IS_FAST_BY=str(seconds))
    hold = depot.traps.hold("row-000525")
    export = depot.request()
    hold.wait()

    claimed = Export.objects.get(pk=export.pk).lease_expires_at
    renewed = {"pk": export.pk, "lease_expires_at__gt": claimed + timedelta(seconds=LEASE)}
    wait_until(Export.objects.filter(**renewed).exists, what="its lease was renewed")
    assert depot.holder(export) is wrong
    assert export.attempt == 1

    depot.kill(wrong)
    hold.release()
    depot.muster(1)
    depot.assert_unharmed(export)
    assert export.attempt == 2
