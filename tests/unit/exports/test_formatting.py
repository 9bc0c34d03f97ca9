"""How pages show numbers. The same table is held against the script in tests/js."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from django.utils import translation

from exports import formatting
from exports.i18n.numbers import number

CASES = json.loads((Path(__file__).parents[2] / "js" / "exports" / "format_cases.json").read_text())


def each(what):
    """The cases of `what` in each language of the table, which come first."""
    languages = CASES["languages"].items()
    return [(language, *case) for language, table in languages for case in table[what]]


def snapshot(**fields):
    unknown = {"rows_total": None, "rows_again": 0, "assembled": None, "rate": None, "eta": None}
    known = {"label": "Flights", "status": "running", "stage": "", "rows_done": 0, "bytes": 0}
    return {**known, **unknown, **fields}


def test_table_of_cases_has_each_language(settings):
    assert list(CASES["languages"]) == [code for code, _ in settings.LANGUAGES]


@pytest.mark.parametrize(("language", "value", "text"), each("numbers"))
def test_numbers_are_grouped(language, value, text):
    with translation.override(language):
        assert number(value) == text


@pytest.mark.parametrize(("language", "seconds", "text"), each("durations"))
def test_durations_have_at_most_two_units_rounded_up(language, seconds, text):
    with translation.override(language):
        assert formatting.duration(seconds) == text


@pytest.mark.parametrize(("language", "at", "text"), each("moments"))
def test_time_does_not_end_with_a_full_stop(language, at, text):
    with translation.override(language):
        assert formatting.date_time(datetime.fromisoformat(at)) == text
    assert not text.endswith(".")


@pytest.mark.parametrize(("done", "total", "share"), CASES["percents"])
def test_percentage_is_100_only_when_complete(done, total, share):
    assert formatting.percent(snapshot(rows_done=done, rows_total=total)) == share


@pytest.mark.parametrize(("language", "pattern", "fields", "text"), each("sentences"))
def test_text_with_an_unknown_value_is_empty(language, pattern, fields, text):
    with translation.override(language):
        assert formatting.fill(pattern, formatting.values(snapshot(**fields))) == text


@pytest.mark.parametrize(("pattern", "fields", "silence", "text"), CASES["silences"])
def test_silent_worker_is_shown_without_a_rate(pattern, fields, silence, text):
    silence = float(silence)

    assert formatting.fill(pattern, formatting.values(snapshot(**fields), silence)) == text


@pytest.mark.parametrize(("fields", "far"), CASES["bars"])
def test_bar_has_a_value_for_each_stage(fields, far):
    assert formatting.bar(snapshot(**fields)) == (None if far is None else tuple(far))


@pytest.mark.parametrize(
    ("written", "added", "removed", "text"),
    [
        (336_776, 0, 0, ""),
        (336_775, 0, 1, "336,775. 1 row was removed while the export ran."),
        (336_774, 0, 2, "336,774. 2 rows were removed while the export ran."),
        (336_777, 1, 0, "336,777. 1 row was added while the export ran."),
        (337_776, 1_000, 0, "337,776. 1,000 rows were added while the export ran."),
        (336_776, 3, 3, "336,776. Added while the export ran: 3. Removed: 3."),
    ],
)
def test_difference_counts_added_and_removed_rows(written, added, removed, text):
    shown = snapshot(rows_total=336_776, rows_done=written, rows_added=added, rows_removed=removed)

    expected = f"Rows counted: 336,776. Rows in the file: {text}" if text else ""
    assert formatting.difference(shown) == expected
