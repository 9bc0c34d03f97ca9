"""What is typed, and which of many snapshots are worth a line."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from exports.management.terminal import arguments
from exports.management.terminal.progress import Lines, line_of


def test_repeated_filter_becomes_a_list():
    pairs = [
        arguments.pair(text) for text in ("carrier=UA", "origin=EWR", "carrier=AA", "tail=a=b")
    ]

    assert arguments.filters(pairs) == {"carrier": ["UA", "AA"], "origin": "EWR", "tail": "a=b"}


@pytest.mark.parametrize("text", ["carrier", "=UA", ""])
def test_text_that_is_no_pair_is_refused(text):
    with pytest.raises(ArgumentTypeError, match="is not NAME=VALUE"):
        arguments.pair(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("6", 6),
        ("-1", -1),
        ("0", 0),
        (";", ";"),
        ("True", "True"),
        ("007", "007"),
        ("1.5", "1.5"),
        ("", ""),
        ("null", "null"),
    ],
)
def test_option_is_parsed_as_boolean_number_or_text(text, value):
    found = arguments.options([("name", text)])["name"]

    assert (found, type(found)) == (value, type(value))


def test_names_are_separated_by_commas():
    assert arguments.names("id, carrier__name,delay") == ["id", "carrier__name", "delay"]


# -- Lines ----------------------------------------------------------------------------------


def at(done=0, **fields):
    return {
        "status": "running",
        "stage": "extracting",
        "rows_done": done,
        "rows_total": 1_000,
        "rate": 123.4,
        "eta": 61.0,
        "queue_position": None,
        "waits_for": "",
        **fields,
    }


def lines(*snapshots):
    written = []
    display = Lines(written.append)
    for each in snapshots:
        display.show(each)
    return written


def test_each_tenth_of_the_rows_gives_a_line():
    said = lines(*(at(done) for done in range(0, 1_001, 10)))

    assert said[0] == "Extracting rows."
    assert said[1] == "Extracting rows: 10 %, 100 of 1,000 rows, 123 rows/s, 0:01:01 left."
    assert len(said) == 11


def test_added_rows_give_no_eleventh_line():
    assert lines(at(1_000), at(1_100))[1:] == []
    assert lines(at(1_100))[0].startswith("Extracting rows: 100 %, 1,100 of 1,000 rows")


def test_each_stage_and_status_gives_a_line():
    said = lines(
        at(status="queued", stage="", rows_total=None, queue_position=3),
        at(status="queued", stage="", rows_total=None, queue_position=1),
        at(status="queued", stage="", rows_total=None, queue_position=1, waits_for="space"),
        at(stage="counting", rows_total=None),
        at(stage="counting", rows_total=None),
        at(1_000, stage="assembling"),
        at(1_000, status="succeeded", stage=""),
    )

    assert said == [
        "Queued, 2 ahead.",
        "Queued.",
        "Waiting for disk space.",
        "Counting rows.",
        "Assembling the file.",
        "Succeeded.",
    ]


def test_export_without_rows_gives_no_progress_lines():
    assert lines(at(0, rows_total=0)) == ["Extracting rows."]


# -- What exporters log -----------------------------------------------------------------------


def test_ambiguous_line_names_its_worker():
    data = {"level": "INFO", "message": "going on", "worker": "w2", "attempt": 2}

    assert line_of(data, "2026-11-27T10:00:00+00:00") == "10:00:00 INFO    going on [w2 #2]"


@pytest.mark.proves("logs-cannot-be-forged")
def test_text_that_would_move_the_cursor_is_escaped():
    said = []
    Lines(said.append).say("red \x1b[31m, bell \a, back \r\b, line\n\ttab, é, \u202egpj")

    assert said == ["red \\x1b[31m, bell \\x07, back \\r\\x08, line\n\ttab, é, \\u202egpj"]


def test_further_lines_of_an_entry_are_indented():
    data = {"level": "ERROR", "message": "failed\n10:00:01 INFO fine\x9b", "logger": "a"}

    assert line_of(data, "2026-11-27T10:00:00+00:00") == (
        "10:00:00 ERROR   failed\n    10:00:01 INFO fine\\x9b"
    )
