"""A worker is killed: another goes on from its finished parts, and nobody can tell."""

from __future__ import annotations

import pytest

from exports.models import PartStatus

pytestmark = pytest.mark.django_db(transaction=True)

EXTRACTING = "row-000525"  # in the fourth of six parts
ASSEMBLING = "open-part-000004"
# Saved, and no row says so yet.
PART_SAVED, FILE_SAVED = "saved-part-000004", "saved-file"


def kept_parts(export):
    """Which are in storage, and by which attempt at them."""
    return dict(export.parts.filter(status=PartStatus.DONE).values_list("number", "attempt"))


def test_undisturbed_run_gives_the_reference_file(depot):
    depot.muster()

    export = depot.request()

    depot.assert_unharmed(export)
    assert export.attempt == 1


@pytest.mark.proves("killed-worker-costs-one-part")
@pytest.mark.parametrize(
    ("who", "place"),
    [
        ("child", EXTRACTING),
        ("child", PART_SAVED),
        ("child", ASSEMBLING),
        ("child", FILE_SAVED),
        ("worker", EXTRACTING),
        ("worker", ASSEMBLING),
    ],
)
def test_killed_worker_costs_the_part_in_hand(depot, clock, who, place):
    depot.muster()
    hold = depot.traps.hold(place)
    export = depot.request()
    hold.wait()
    kept = kept_parts(export)

    {"child": depot.kill_child, "worker": depot.kill}[who](depot.holder(export))
    hold.release()

    depot.assert_unharmed(export)
    assert export.attempt > 1
    assert kept.items() <= kept_parts(export).items()


@pytest.mark.proves("killed-worker-costs-one-part")
def test_export_that_kills_every_worker_fails_after_3_attempts(depot, clock):
    depot.muster()
    depot.traps.set(EXTRACTING, "kill")
    depot.dies(times=3)

    export = depot.request()

    depot.wait_for(export)
    assert kept_parts(export) == dict.fromkeys(range(1, 4), 1)
    depot.traps.remove(EXTRACTING)
    reasons = ("3 workers stopped while running this export.", "The last one was worker-")
    depot.assert_failed(export, *reasons, by_rescue=True)
    assert export.attempt == 3


@pytest.mark.proves("killed-worker-costs-one-part")
@pytest.mark.only_on("postgres")
def test_worker_killed_during_a_copy_costs_the_part_in_hand(depot, clock, gate):
    depot.muster()
    gate.close(525)
    export = depot.request("copied")
    gate.wait()
    kept = kept_parts(export)

    depot.kill_child(depot.holder(export))
    gate.open()

    depot.assert_unharmed(export)
    assert export.attempt == 2
    assert kept.items() <= kept_parts(export).items()
