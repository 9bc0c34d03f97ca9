"""A cursor as text, and which of two clients has seen more."""

from __future__ import annotations

import pytest

from notifications.streams.cursor import Cursor


def test_cursor_survives_conversion_to_text():
    cursor = Cursor("a-epoch_1", 17, 4)

    assert str(cursor) == "a-epoch_1.17.4"
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "epoch",
        "epoch.1",
        "epoch.1.2.3",
        ".1.2",
        "epoch..2",
        "epoch.1.",
        "epoch.-1.2",
        "epoch.+1.2",
        "epoch.1_0.2",
        "epoch. 1.2",
        "epoch.1.2\n",
        "epoch.1.x",
        "epoch.1.²",
        "epoch.١.2",  # noqa: RUF001 - a digit, but not one that we write
        "latest",
        "null",
        "epoch.1." + "9" * 5_000,
    ],
)
def test_invalid_cursor_is_refused(text):
    with pytest.raises(ValueError, match="is not a valid cursor"):
        Cursor.parse(text)


def test_refusal_does_not_repeat_a_long_text():
    with pytest.raises(ValueError, match="is not a valid cursor") as refusal:
        Cursor.parse("x" * 50_000)

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("other", "covered"),
    [
        (Cursor("e", 5, 3), True),
        (Cursor("e", 4, 3), True),
        (Cursor("e", 5, 2), True),
        (Cursor("e", 6, 3), False),
        (Cursor("e", 5, 4), False),
        (Cursor("e", 6, 2), False),
        (Cursor("another", 1, 1), False),
    ],
)
def test_cursor_covers_earlier_positions_of_its_epoch(other, covered):
    assert Cursor("e", 5, 3).covers(other) is covered


def test_joined_cursors_have_the_furthest_of_both():
    assert Cursor("e", 5, 2).join(Cursor("e", 3, 7)) == Cursor("e", 5, 7)
