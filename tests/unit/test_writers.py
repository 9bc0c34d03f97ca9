"""Rows become bytes: exactly these, for every type that a column can hold."""

from __future__ import annotations

import csv
import datetime
import io
import json
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext_lazy

from exports.engine.writers import WRITERS
from exports.models import Format

NEW_YORK = ZoneInfo("America/New_York")

# A value, its cell in CSV, and what JSON Lines has for it.
VALUES = {
    "nothing": (None, "", None),
    "empty text": ("", "", ""),
    "text": ("Fiumicino", "Fiumicino", "Fiumicino"),
    "text with a comma": ("Paris, CDG", '"Paris, CDG"', "Paris, CDG"),
    "text with quotes": ('the "Big" one', '"the ""Big"" one"', 'the "Big" one'),
    "text with a newline": ("a\nb", '"a\nb"', "a\nb"),
    "text with a carriage return": ("a\rb", '"a\rb"', "a\rb"),
    "text with both": ("a\r\nb", '"a\r\nb"', "a\r\nb"),
    "text with spaces": (" a ", " a ", " a "),
    "unicode": ("Zürich 東京 ✈ 👩🏽‍✈️", "Zürich 東京 ✈ 👩🏽‍✈️", "Zürich 東京 ✈ 👩🏽‍✈️"),
    "a backslash": ("a\\b", "a\\b", "a\\b"),
    "a formula": ("=1+1", "'=1+1", "=1+1"),
    "a formula with quotes": ('=HYPERLINK("x")', '"\'=HYPERLINK(""x"")"', '=HYPERLINK("x")'),
    "a tab in front": ("\t=1", "'\t=1", "\t=1"),
    "a carriage return in front": ("\r=1", '"\'\r=1"', "\r=1"),
    "text of a negative number": ("-5", "'-5", "-5"),
    "an integer": (517, "517", 517),
    "a negative integer": (-5, "-5", -5),
    "zero": (0, "0", 0),
    "a large integer": (2**70, str(2**70), 2**70),
    "a float": (59.37, "59.37", 59.37),
    "a negative float": (-80.6195833, "-80.6195833", -80.6195833),
    "a small float": (1e-07, "1e-07", 1e-07),
    "not a number": (float("nan"), "nan", "nan"),
    "infinity": (float("-inf"), "-inf", "-inf"),
    "true": (True, "true", True),
    "false": (False, "false", False),
    "a decimal": (Decimal("1.50"), "1.50", "1.50"),
    "a negative decimal": (Decimal("-0.10"), "-0.10", "-0.10"),
    "a large decimal": (Decimal("1E+20"), "100000000000000000000", "100000000000000000000"),
    "a small decimal": (Decimal("0E-8"), "0.00000000", "0.00000000"),
    "a date": (datetime.date(2013, 1, 1), "2013-01-01", "2013-01-01"),
    "a time": (datetime.time(5, 17), "05:17:00", "05:17:00"),
    "a moment in UTC": (
        datetime.datetime(2013, 1, 1, 10, 0, tzinfo=datetime.UTC),
        "2013-01-01T10:00:00+00:00",
        "2013-01-01T10:00:00+00:00",
    ),
    "a moment elsewhere": (
        datetime.datetime(2013, 7, 1, 5, 0, 0, 250_000, tzinfo=NEW_YORK),
        "2013-07-01T05:00:00.250000-04:00",
        "2013-07-01T05:00:00.250000-04:00",
    ),
    "a duration": (datetime.timedelta(days=1, hours=1), "P1DT3600S", "P1DT3600S"),
    "a negative duration": (datetime.timedelta(seconds=-1.5), "-P0DT1.500000S", "-P0DT1.500000S"),
    "no duration": (datetime.timedelta(), "P0DT0S", "P0DT0S"),
    "a uuid": (
        uuid.UUID("6458b5bf-0000-4000-8000-000000000001"),
        "6458b5bf-0000-4000-8000-000000000001",
        "6458b5bf-0000-4000-8000-000000000001",
    ),
    "bytes": (b"\x00\xff=", "00ff3d", "00ff3d"),
    "a view of bytes": (memoryview(b"\x01\x02"), "0102", "0102"),
    "a list": ([1, "é", None], '"[1,""é"",null]"', [1, "é", None]),
    "an object": ({"a": [True]}, '"{""a"":[true]}"', {"a": [True]}),
    "an object with a decimal": ({"a": Decimal("1.0")}, '"{""a"":""1.0""}"', {"a": "1.0"}),
    "an object with infinity": ({"a": float("inf")}, '"{""a"":""inf""}"', {"a": "inf"}),
    "translated text": (gettext_lazy("=1"), "'=1", "=1"),
}
BY_NAME = pytest.mark.parametrize(
    ("value", "as_cell", "as_json"), VALUES.values(), ids=VALUES.keys()
)


def written(name, headers, *rows):
    writer = WRITERS[name](headers)
    return writer.head() + writer.rows(rows)


def test_every_format_has_a_writer():
    assert set(WRITERS) == set(Format.values)


# -- CSV ----------------------------------------------------------------------------


@BY_NAME
def test_a_value_has_this_cell_in_csv(value, as_cell, as_json):
    file = written("csv", ["x", "value", "y"], [1, value, 2])

    assert file == f"x,value,y\n1,{as_cell},2\n".encode()


def test_a_row_of_one_empty_cell_is_still_a_line_that_a_reader_sees():
    file = written("csv", ["x"], [None], [""], ["a"])

    assert list(csv.reader(io.StringIO(file.decode()))) == [["x"], [""], [""], ["a"]]


def test_a_csv_without_rows_has_its_header():
    assert written("csv", ["id", "carrier__name"]) == b"id,carrier__name\n"


def test_a_header_is_protected_and_quoted_like_text():
    assert written("csv", ["=1", 'a "b", c']) == b'\'=1,"a ""b"", c"\n'


def test_the_csv_module_reads_back_what_was_written():
    rows = [["a\rb", 'c"d', "e,f", "g\nh", "x\r\n", "é✈", "", " "], ["1"] * 8]

    file = written("csv", ["h"] * 8, *rows)

    assert list(csv.reader(io.StringIO(file.decode(), newline="")))[1:] == rows


# -- JSON Lines ---------------------------------------------------------------------


@BY_NAME
def test_a_value_is_this_in_json_lines(value, as_cell, as_json):
    file = written("jsonl", ["x", "value"], [1, value])

    line = file.decode().removesuffix("\n")
    assert "\n" not in line
    assert json.loads(line, parse_constant=pytest.fail) == {"x": 1, "value": as_json}


def test_json_lines_are_compact_with_characters_as_they_are():
    file = written("jsonl", ["name", "n"], ["Zürich", 1], [None, -2])

    assert file == '{"name":"Zürich","n":1}\n{"name":null,"n":-2}\n'.encode()


def test_json_lines_without_rows_are_an_empty_file():
    assert written("jsonl", ["id"]) == b""


def test_whoever_reads_json_lines_by_line_gets_back_every_row():
    texts = ["a\nb", "a\r\nb", "a\u2028b\x85c", "\x00\x1c", "\\", '"']

    file = written("jsonl", ["x"], *([text] for text in texts))

    assert [json.loads(line)["x"] for line in io.BytesIO(file)] == texts


# -- Both ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_parts_written_one_by_one_join_into_the_file_that_one_writer_makes(name):
    rows = [[number, f"name {number}"] for number in range(10)]
    writer = WRITERS[name](["id", "name"])

    parts = [writer.rows(rows[:3]), writer.rows(rows[3:4]), writer.rows([]), writer.rows(rows[4:])]

    assert writer.head() + b"".join(parts) == written(name, ["id", "name"], *rows)
