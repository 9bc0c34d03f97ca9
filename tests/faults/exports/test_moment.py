"""All rows as they were at one moment, while the table changes and workers are lost."""

from __future__ import annotations

import pytest

from demo.models import Plane
from tests.faults.exports.hazards.cargo import FEW, HEAD, ROWS, line, make_planes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("postgres")]

HELD = (10, 160)  # rows of the first two of six parts
NEW = range(ROWS + 1, ROWS + 31)


def change_everything():
    """All rows but the first few become others, every tenth goes, and new ones come."""
    rest = Plane.objects.filter(tailnum__gt=f"{FEW:06}")
    rest.update(model="changed")
    rest.filter(tailnum__endswith="5").delete()
    make_planes(NEW[0], NEW[-1])


def changed_file():
    few = "".join(map(line, range(1, FEW + 1)))
    changed = (
        line(number).replace(f"model {number}", "changed")
        for number in range(FEW + 1, ROWS + 1)
        if number % 10 != 5
    )
    return (HEAD + few + "".join(changed) + "".join(map(line, NEW))).encode()


@pytest.fixture(params=["moment", "moment_copied"])
def export(request, depot, gate):
    """An export of one moment, which two workers share, each in one of its first parts."""
    depot.muster()
    holds = []
    if request.param == "moment":
        holds = [depot.traps.hold(f"row-{row:06}") for row in HELD]
    else:
        gate.close(*HELD)
    export = depot.request(request.param)
    for hold in holds:
        hold.wait()
    if not holds:
        gate.wait(2)
    return export


@pytest.fixture
def go_on(depot, gate):
    def go_on():
        gate.open()
        for row in HELD:
            depot.traps.remove(f"row-{row:06}")

    return go_on


@pytest.mark.proves("snapshot-is-one-moment")
def test_two_workers_read_one_snapshot_of_a_changing_table(depot, export, go_on):
    change_everything()
    go_on()

    depot.assert_unharmed(export)
    assert export.attempt == 1
    assert export.parts.filter(by_helper=True).exists()


@pytest.mark.proves("snapshot-is-one-moment")
def test_losing_the_snapshot_holder_starts_a_new_snapshot(depot, clock, export, go_on):
    change_everything()

    depot.kill_child(depot.holder(export))
    go_on()

    depot.assert_unharmed(export, changed_file())
    assert export.attempt == 2
