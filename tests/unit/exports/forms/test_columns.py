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
def test_all_columns_in_their_own_order_are_not_worth_a_word(airports, query):
    assert sent(airports, query).spec_fields == {"columns": None, "headers": None}


def test_those_that_are_ticked_are_asked_for_in_the_order_of_the_form(airports):
    choices = sent(airports, "header-name=&header-faa=&header-lat=&column=name&column=lat")

    assert choices.spec_fields["columns"] == ["name", "lat"]
    assert names(choices) == ["name", "faa", "lat", "lon", "alt", "tz", "dst", "tzone"]


def test_none_ticked_is_none_asked_for(airports):
    assert sent(airports, "header-name=&header-faa=").spec_fields["columns"] == []


def test_a_column_that_is_not_there_stays_for_who_refuses_it(airports):
    assert sent(airports, "column=nothing&column=faa").spec_fields["columns"] == ["nothing", "faa"]


def test_only_another_header_of_a_column_that_is_asked_for_is_one(airports):
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
def test_a_button_moves_a_column_by_one(airports, button, order):
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
def test_the_button_that_was_pressed_is_there_to_be_pressed_again(airports, button, next_press):
    choices = sent(airports, "")

    choices.press(button)

    focused = [(choice.name, choice.focus) for choice in choices.choices if choice.focus]
    assert focused == ([next_press] if next_press else [])


def test_what_is_refused_is_shown_where_it_is_wrong(airports):
    choices = sent(airports, "")

    choices.refuse(InvalidHeader("Both have it.", columns=["faa", "tz"]))

    assert choices.error == "Both have it."
    assert [choice.name for choice in choices.choices if choice.is_wrong] == ["faa", "tz"]


def test_what_was_chosen_before_comes_first_and_what_is_gone_is_left_out(airports):
    params = {"columns": ["tz", "gone", "faa"], "headers": {"tz": "Offset", "gone": "x"}}

    choices = ColumnChoices.from_params(airports, params)

    assert names(choices)[:3] == ["tz", "faa", "name"]
    assert [choice.is_chosen for choice in choices.choices] == [True, True, *[False] * 6]
    assert choices.spec_fields == {"columns": ["tz", "faa"], "headers": {"tz": "Offset"}}
