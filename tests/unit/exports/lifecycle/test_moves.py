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
def test_the_table_has_the_drawn_moves_and_no_others():
    assert {str(old): set(map(str, new)) for old, new in MOVES.items()} == DRAWN


def test_every_status_has_a_line_in_the_table():
    assert set(MOVES) == set(Status)


def test_what_is_final_goes_nowhere_and_all_else_goes_somewhere():
    assert {str(status) for status in FINAL} == {"succeeded", "failed", "cancelled"}
    assert {str(status) for status, new in MOVES.items() if not new} == set(map(str, FINAL))


def test_a_worker_holds_what_runs_or_was_asked_to_stop():
    assert {str(status) for status in HELD} == {"running", "pausing", "cancelling"}


@pytest.mark.proves("exports-come-to-rest")
@pytest.mark.parametrize("status", [status for status in Status if status not in FINAL])
def test_every_export_can_come_to_an_end(status):
    reached, new = set(), {status}
    while new:
        reached |= new
        new = {after for each in new for after in MOVES[each]} - reached

    assert reached & FINAL
