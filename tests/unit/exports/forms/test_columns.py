"""Columns as a person chooses them."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from exports.exceptions import InvalidHeader
from exports.exporters import registry
from exports.forms.columns import ColumnChoices

ALL = ["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"]


@pytest.fixture
def airports():
    return registry.get("airports")


def sent(exporter, query):
    return ColumnChoices.from_post(exporter, QueryDict(query))


def names(choices):
    return [choice.name for choice in choices.choices]


@pytest.mark.parametrize("query", ["", "format=csv", "&".join(f"column={name}" for name in ALL)])
def test_default_order_of_all_columns_is_not_stored(airports, query):
    assert sent(airports, query).spec_fields == {"columns": None, "headers": None}


def test_ticked_columns_keep_the_order_of_the_form(airports):
    choices = sent(airports, "header-name=&header-faa=&header-lat=&column=name&column=lat")

    assert choices.spec_fields["columns"] == ["name", "lat"]
    assert names(choices) == ["name", "faa", "lat", "lon", "alt", "tz", "dst", "tzone"]


def test_form_without_ticked_columns_selects_none(airports):
    assert sent(airports, "header-name=&header-faa=").spec_fields["columns"] == []


def test_unknown_column_is_kept_for_the_later_refusal(airports):
    assert sent(airports, "column=nothing&column=faa").spec_fields["columns"] == ["nothing", "faa"]


def test_only_changed_headers_of_chosen_columns_are_stored(airports):
    choices = sent(
        airports, "column=faa&column=name&header-faa=+Code+&header-name=name&header-lat=x"
    )

    assert choices.spec_fields == {"columns": ["faa", "name"], "headers": {"faa": "Code"}}


@pytest.mark.parametrize(
    ("button", "order"),
    [
        ("name up", ["name", "faa", *ALL[2:]]),
        ("faa down", ["name", "faa", *ALL[2:]]),
        ("faa up", ALL),
        ("tzone down", ALL),
        ("nothing up", ALL),
        ("", ALL),
    ],
)
def test_button_moves_a_column_by_one(airports, button, order):
    choices = sent(airports, "")

    choices.press(button)

    assert names(choices) == order


@pytest.mark.parametrize(
    ("button", "next_press"),
    [
        ("lat up", ("lat", "up")),
        ("name up", ("name", "down")),
        ("dst down", ("dst", "up")),
        ("tz down", ("tz", "down")),
        ("faa up", ("faa", "down")),
        ("tzone down", ("tzone", "up")),
        ("nothing up", None),
    ],
)
def test_pressed_button_keeps_the_focus(airports, button, next_press):
    choices = sent(airports, "")

    choices.press(button)

    focused = [(choice.name, choice.focus) for choice in choices.choices if choice.focus]
    assert focused == ([next_press] if next_press else [])


def test_refusal_marks_the_wrong_columns(airports):
    choices = sent(airports, "")

    choices.show_error(InvalidHeader("Both have it.", columns=["faa", "tz"]))

    assert choices.error == "Both have it."
    assert [choice.name for choice in choices.choices if choice.is_wrong] == ["faa", "tz"]


def test_earlier_choice_comes_first_without_removed_columns(airports):
    params = {"columns": ["tz", "gone", "faa"], "headers": {"tz": "Offset", "gone": "x"}}

    choices = ColumnChoices.from_params(airports, params)

    assert names(choices)[:3] == ["tz", "faa", "name"]
    assert [choice.is_chosen for choice in choices.choices] == [True, True, *[False] * 6]
    assert choices.spec_fields == {"columns": ["tz", "faa"], "headers": {"tz": "Offset"}}
