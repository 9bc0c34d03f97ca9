"""How pages show numbers. The same table is held against the script in tests/js."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from django.utils import translation

from exports import figures

CASES = json.loads((Path(__file__).parent.parent / "js" / "format_cases.json").read_text())


def each(what):
    """The cases of `what` in each language of the table, which come first."""
    languages = CASES["languages"].items()
    return [(language, *case) for language, table in languages for case in table[what]]


def snapshot(**fields):
    unknown = {"rows_total": None, "rows_again": 0, "assembled": None, "rate": None, "eta": None}
    return {"label": "Flights", "rows_done": 0, "bytes": 0, **unknown, **fields}


def test_the_table_has_each_language_of_the_pages(settings):
    assert list(CASES["languages"]) == [code for code, _ in settings.LANGUAGES]


@pytest.mark.parametrize(("language", "value", "text"), each("numbers"))
def test_numbers_are_grouped(language, value, text):
    with translation.override(language):
        assert figures.number(value) == text


@pytest.mark.parametrize(("language", "seconds", "text"), each("durations"))
def test_durations_have_at_most_two_units_rounded_up(language, seconds, text):
    with translation.override(language):
        assert figures.duration(seconds) == text


@pytest.mark.parametrize(("language", "at", "text"), each("moments"))
def test_a_moment_does_not_end_a_sentence(language, at, text):
    with translation.override(language):
        assert figures.moment(datetime.fromisoformat(at)) == text
    assert not text.endswith(".")


@pytest.mark.parametrize(("done", "total", "share"), CASES["percents"])
def test_100_percent_means_that_nothing_is_missing(done, total, share):
    assert figures.percent(snapshot(rows_done=done, rows_total=total)) == share


@pytest.mark.parametrize(("language", "pattern", "fields", "text"), each("sentences"))
def test_a_sentence_that_names_something_unknown_is_empty(language, pattern, fields, text):
    with translation.override(language):
        assert figures.fill(pattern, figures.values(snapshot(**fields))) == text


@pytest.mark.parametrize(("pattern", "fields", "silence", "text"), CASES["silences"])
def test_who_is_silent_is_said_to_be_so_and_not_how_fast_it_is(pattern, fields, silence, text):
    silence = float(silence)

    assert figures.fill(pattern, figures.values(snapshot(**fields), silence)) == text


@pytest.mark.parametrize(("fields", "far"), CASES["bars"])
def test_a_bar_knows_how_far_it_is_in_each_stage(fields, far):
    shown = {"status": "running", "stage": "", **snapshot(), **fields}

    assert figures.share(shown) == (None if far is None else tuple(far))
