"""Columns as a person chooses them."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from exports import registry
from exports.columns import ColumnChoices

ALL = ["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"]


@pytest.fixture
def airports():
    return registry.get("airports")


def sent(exporter, query):
    return ColumnChoices.sent(exporter, QueryDict(query))


def names(choices):
    return [choice.name for choice in choices.choices]


@pytest.mark.parametrize("query", ["", "format=csv", "&".join(f"column={name}" for name in ALL)])
def test_all_columns_in_their_own_order_are_not_worth_a_word(airports, query):
    assert sent(airports, query).asked == {"columns": None, "headers": None}


def test_those_that_are_ticked_are_asked_for_in_the_order_of_the_form(airports):
    choices = sent(airports, "order=name&order=faa&order=lat&column=name&column=lat")

    assert choices.asked["columns"] == ["name", "lat"]
    assert names(choices) == ["name", "faa", "lat", "lon", "alt", "tz", "dst", "tzone"]


def test_none_ticked_is_none_asked_for(airports):
    assert sent(airports, "order=name&order=faa").asked["columns"] == []


def test_a_column_that_is_not_there_stays_for_who_refuses_it(airports):
    assert sent(airports, "column=nothing&column=faa").asked["columns"] == ["nothing", "faa"]


def test_only_another_header_of_a_column_that_is_asked_for_is_one(airports):
    choices = sent(
        airports, "order=faa&column=faa&column=name&header-faa=+Code+&header-name=name&header-lat=x"
    )

    assert choices.asked == {"columns": ["faa", "name"], "headers": {"faa": "Code"}}


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


def test_what_was_chosen_before_comes_first_and_what_is_gone_is_left_out(airports):
    params = {"columns": ["tz", "gone", "faa"], "headers": {"tz": "Offset", "gone": "x"}}

    choices = ColumnChoices.of(airports, params)

    assert names(choices)[:3] == ["tz", "faa", "name"]
    assert [choice.is_chosen for choice in choices.choices] == [True, True, *[False] * 6]
    assert choices.asked == {"columns": ["tz", "faa"], "headers": {"tz": "Offset"}}
