"""A log as text: the same in a download as in what is copied from a page."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from exports.log.text import entry, printable

CASES = json.loads((Path(__file__).parents[3] / "js/exports/log_cases.json").read_text())


@pytest.mark.parametrize("case", CASES["entries"], ids=lambda case: case["text"][:40])
def test_entries_are_written_as_in_the_table(case):
    line = case["line"]

    assert entry(datetime.fromisoformat(line["at"]), line) == case["text"]


def test_control_characters_are_replaced():
    every = "".join(map(chr, range(0xA0)))

    shown = printable(every)

    assert len(shown) == len(every)
    assert {each for each in shown if not each.isprintable()} == {"\t", "\n"}


def test_line_without_fields_is_still_an_entry():
    at = datetime.fromisoformat("2026-01-05T06:04:09+00:00")

    assert entry(at, {}) == "2026-01-05T06:04:09.000Z  \n"
