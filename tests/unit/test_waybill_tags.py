"""How pages show numbers. The same table is held against the script in tests/js."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.template.defaultfilters import filesizeformat

from exports.templatetags import waybill

CASES = json.loads((Path(__file__).parent.parent / "js" / "format_cases.json").read_text())


def snapshot(**fields):
    unknown = {"rows_total": None, "rows_again": 0, "assembled": None, "rate": None, "eta": None}
    return {"label": "Flights", "rows_done": 0, "bytes": 0, **unknown, **fields}


@pytest.mark.parametrize(("value", "text"), CASES["numbers"])
def test_numbers_are_grouped(value, text):
    assert waybill.number(value) == text


@pytest.mark.parametrize(("size", "text"), CASES["sizes"])
def test_sizes_are_as_the_script_writes_them(size, text):
    assert filesizeformat(size) == text


@pytest.mark.parametrize(("seconds", "text"), CASES["durations"])
def test_durations_have_at_most_two_units_rounded_up(seconds, text):
    assert waybill.duration(seconds) == text


@pytest.mark.parametrize(("done", "total", "share"), CASES["percents"])
def test_100_percent_means_that_nothing_is_missing(done, total, share):
    assert waybill.percent(snapshot(rows_done=done, rows_total=total)) == share


@pytest.mark.parametrize(("pattern", "fields", "text"), CASES["sentences"])
def test_a_sentence_that_names_something_unknown_is_empty(pattern, fields, text):
    assert waybill.fill(pattern, waybill.values(snapshot(**fields))) == text


@pytest.mark.parametrize(("pattern", "fields", "silence", "text"), CASES["silences"])
def test_who_is_silent_is_said_to_be_so_and_not_how_fast_it_is(pattern, fields, silence, text):
    silence = float(silence)

    assert waybill.fill(pattern, waybill.values(snapshot(**fields), silence)) == text


@pytest.mark.parametrize(("fields", "far"), CASES["bars"])
def test_a_bar_knows_how_far_it_is_in_each_stage(fields, far):
    shown = {"status": "running", "stage": "", **snapshot(), **fields}

    assert waybill.share(shown) == (None if far is None else tuple(far))


def test_a_bar_of_what_has_not_begun_is_empty_and_does_not_sweep():
    shown = {"status": "queued", "stage": "", **snapshot()}

    assert waybill.bar("Progress", shown) == (
        '<progress aria-label="Progress" max="1" value="0"></progress>'
    )


def test_a_live_sentence_is_hidden_until_it_can_be_said():
    shown = waybill.live("about {eta} left", snapshot(eta=3))
    hidden = waybill.live("about {eta} left", snapshot())

    assert shown == '<span data-text="about {eta} left">about 3\N{NO-BREAK SPACE}s left</span>'
    assert hidden == '<span data-text="about {eta} left" hidden></span>'


def test_a_live_sentence_cannot_bring_markup_in():
    text = waybill.live("{label}", snapshot(label="<b>&"))

    assert text == '<span data-text="{label}">&lt;b&gt;&amp;</span>'
