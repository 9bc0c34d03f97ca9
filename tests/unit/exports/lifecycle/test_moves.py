"""The table of moves, against a copy of its own: a wrong arrow in either must fail."""

from __future__ import annotations

import pytest

from exports.status import FINAL, HELD, MOVES, Status

DRAWN = {
    "queued": {"running", "paused", "cancelled"},
    "running": {"succeeded", "failed", "pausing", "cancelling", "queued"},
    "pausing": {"paused", "cancelling"},
    "paused": {"queued", "cancelled"},
    "cancelling": {"cancelled"},
    "cancelled": set(),
    "succeeded": set(),
    "failed": set(),
}


@pytest.mark.proves("only-drawn-moves")
def test_table_of_moves_matches_the_diagram():
    assert {str(old): set(map(str, new)) for old, new in MOVES.items()} == DRAWN


def test_table_of_moves_has_every_status():
    assert set(MOVES) == set(Status)


def test_only_final_statuses_have_no_moves():
    assert {str(status) for status in FINAL} == {"succeeded", "failed", "cancelled"}
    assert {str(status) for status, new in MOVES.items() if not new} == set(map(str, FINAL))


def test_held_statuses_are_running_and_stopping():
    assert {str(status) for status in HELD} == {"running", "pausing", "cancelling"}


@pytest.mark.proves("exports-come-to-rest")
@pytest.mark.parametrize("status", [status for status in Status if status not in FINAL])
def test_exports_can_reach_an_end_from_every_status(status):
    reached, new = set(), {status}
    while new:
        reached |= new
        new = {after for each in new for after in MOVES[each]} - reached

    assert reached & FINAL
