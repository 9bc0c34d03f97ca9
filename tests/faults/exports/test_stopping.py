"""Paused and cancelled exports stop within a second or so, whatever their workers are doing."""

from __future__ import annotations

import time

import pytest

from exports import lifecycle
from exports.models import PartStatus
from exports.status import Status

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 3.0  # seconds, on a machine that does much else; mostly it is less than one
ASKS = {"pause": (lifecycle.pause, Status.PAUSED), "cancel": (lifecycle.cancel, Status.CANCELLED)}


@pytest.fixture
def stop(depot, record_property):
    """A function that asks an export to stop, and is back when it has."""

    def stop(export, what):
        ask, rest = ASKS[what]
        begin = time.monotonic()
        ask(export)
        depot.wait_for(export, rest)
        took = time.monotonic() - begin
        record_property("at rest after", f"{took:.2f} s")
        assert took < SOON

    return stop


def kept_parts(export):
    return dict(export.parts.filter(status=PartStatus.DONE).values_list("number", "attempt"))


def assert_stopped(depot, export, what):
    """It is at rest; if it was paused, it goes on from its finished parts."""
    depot.assert_clean()
    kept = kept_parts(export)
    assert export.rows_done == sum(part.rows_done for part in export.parts.all())
    assert not export.parts.filter(status=PartStatus.CLAIMED).exists()
    if what == "cancel":
        assert depot.ends_of(export) == ["export.cancelled"]
        depot.assert_all_work()
        return
    assert depot.ends_of(export) == []
    lifecycle.resume(export)
    depot.assert_unharmed(export)
    assert kept.items() <= kept_parts(export).items()


@pytest.mark.proves("stopping-takes-a-second")
@pytest.mark.only_on("postgres")
@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize("exporter", ["copied", "read"])
def test_stop_interrupts_a_long_query(depot, gate, stop, exporter, what):
    depot.muster()
    gate.close(525)
    export = depot.request(exporter)
    gate.wait()

    stop(export, what)

    gate.wait_for_nobody()
    gate.open()
    assert kept_parts(export) == {1: 1, 2: 1, 3: 1}
    assert_stopped(depot, export, what)


@pytest.mark.proves("stopping-takes-a-second")
@pytest.mark.only_on("postgres")
@pytest.mark.parametrize("what", ASKS)
def test_stop_interrupts_long_queries_of_two_workers(depot, gate, stop, what):
    depot.muster()
    gate.close(10, 160)
    export = depot.request("copied_shared")
    gate.wait(2)

    stop(export, what)

    gate.wait_for_nobody()
    gate.open()
    assert_stopped(depot, export, what)


@pytest.mark.proves("stopping-takes-a-second")
@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize("exporter", ["alone", "shared"])
def test_stop_takes_effect_between_slow_rows(depot, stop, exporter, what):
    depot.muster()
    holds = [depot.traps.hold(place) for place in ("row-000010", "row-000160")]
    export = depot.request(exporter)
    for hold in holds[: 1 + (exporter == "shared")]:
        hold.wait()
    depot.traps.set("row", "slow")  # 150 of them take longer than anybody waits.
    for hold in holds:
        hold.release()

    stop(export, what)

    depot.traps.remove("row")
    assert_stopped(depot, export, what)
