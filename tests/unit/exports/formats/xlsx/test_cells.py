"""A value of each kind becomes this cell, and a reader gives it back with its type."""

from __future__ import annotations

import datetime
import io
import uuid
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.exceptions import Unwritable
from exports.formats.base import Options
from exports.formats.kinds import Field, Kind
from exports.formats.xlsx import XLSXWriter, cells, numbers, text
from tests.support.workbooks import page, read, rows_of, without_addresses, workbook

DAY = datetime.date
MOMENT = datetime.datetime
CLOCK = datetime.time
SPAN = datetime.timedelta

# A kind, its plain text, and what a reader gives back.
VALUES = {
    "nothing": (Kind.TEXT, None, ""),
    "empty text": (Kind.TEXT, "", ""),
    "text": (Kind.TEXT, "Zürich 東京 ✈ 👩🏽‍✈️", "Zürich 東京 ✈ 👩🏽‍✈️"),
    "text that XML escapes": (Kind.TEXT, "a <b> & 'c' \"d\" ]]>", "a <b> & 'c' \"d\" ]]>"),
    "spaces at the ends": (Kind.TEXT, "  a  ", "  a  "),
    "white space only": (Kind.TEXT, " \t\n ", " \t\n "),
    "lines": (Kind.TEXT, "a\nb", "a\nb"),
    "a carriage return": (Kind.TEXT, "a\r\nb\r", "a\r\nb\r"),
    "control characters": (Kind.TEXT, "\x00a\x1f\x0b\x7f\x85", "\x00a\x1f\x0b\x7f\x85"),
    "what looks escaped": (Kind.TEXT, "_x0041_ _X0041_ _x41_", "_x0041_ _X0041_ _x41_"),
    "escapes in a row": (Kind.TEXT, "_x0041_x0042_x0043_", "_x0041_x0042_x0043_"),
    "an escape behind one": (Kind.TEXT, "_x0041\x01", "_x0041\x01"),
    "text of a number": (Kind.TEXT, "007", "007"),
    "text of a formula": (Kind.TEXT, "=1+1", "=1+1"),
    "an integer": (Kind.INTEGER, "-12", -12),
    "zero": (Kind.INTEGER, "0", 0),
    "the longest integer": (Kind.INTEGER, "-123456789012345", -123456789012345),
    "an integer of 16 digits": (Kind.INTEGER, "1234567890123456", "1234567890123456"),
    "many zeros behind": (Kind.INTEGER, "12" + "0" * 20, 12e20),
    "beyond a double": (Kind.INTEGER, "1" + "0" * 400, "1" + "0" * 400),
    "a float": (Kind.FLOAT, "0.1", 0.1),
    "a float of 17 digits": (Kind.FLOAT, "0.30000000000000004", 0.1 + 0.2),
    "a small float": (Kind.FLOAT, "1e-07", 1e-07),
    "a large float": (Kind.FLOAT, "-1.7976931348623157e+308", -1.7976931348623157e308),
    "the smallest normal float": (Kind.FLOAT, "2.2250738585072014e-308", 2.2250738585072014e-308),
    "a subnormal float": (Kind.FLOAT, "5e-324", "5e-324"),
    "not a number": (Kind.FLOAT, "NaN", "NaN"),
    "infinity": (Kind.FLOAT, "-Infinity", "-Infinity"),
    "a decimal": (Kind.DECIMAL, "1.50", 1.5),
    "a negative decimal": (Kind.DECIMAL, "-0.10", -0.1),
    "no decimal": (Kind.DECIMAL, "0.00000000000000000000", 0),
    "a decimal of 15 digits": (Kind.DECIMAL, "0.00123456789012345", 0.00123456789012345),
    "a decimal of 16 digits": (Kind.DECIMAL, "1234567890.123456", "1234567890.123456"),
    "a decimal that is none": (Kind.DECIMAL, "NaN", "NaN"),
    "true": (Kind.BOOLEAN, "true", True),
    "false": (Kind.BOOLEAN, "false", False),
    "a date": (Kind.DATE, "2013-01-31", DAY(2013, 1, 31)),
    "a leap day": (Kind.DATE, "2000-02-29", DAY(2000, 2, 29)),
    "the first date": (Kind.DATE, "1900-03-01", DAY(1900, 3, 1)),
    "a date before": (Kind.DATE, "1900-02-28", "1900-02-28"),
    "the last date": (Kind.DATE, "9999-12-31", DAY(9999, 12, 31)),
    "a date after": (Kind.DATE, "10000-01-01", "10000-01-01"),
    "a date of no calendar": (Kind.DATE, "infinity", "infinity"),
    "a moment": (Kind.DATETIME, "2013-01-31T10:20:30+00:00", MOMENT(2013, 1, 31, 10, 20, 30)),
    "a moment without offset": (Kind.DATETIME, "2013-01-31T10:20:30", MOMENT(2013, 1, 31, 10, 20, 30)),
    "a moment elsewhere": (Kind.DATETIME, "2013-01-31T10:20:30-05:00", MOMENT(2013, 1, 31, 15, 20, 30)),
    "milliseconds": (
        Kind.DATETIME,
        "2013-01-31T10:20:30.5+00:00",
        MOMENT(2013, 1, 31, 10, 20, 30, 500_000),
    ),
    "a moment before": (Kind.DATETIME, "1900-02-28T23:59:59", "1900-02-28T23:59:59"),
    "the last second": (Kind.DATETIME, "9999-12-31T23:59:59", MOMENT(9999, 12, 31, 23, 59, 59)),
    "the end": (
        Kind.DATETIME,
        "9999-12-31T23:59:59.999999+00:00",
        "9999-12-31T23:59:59.999999+00:00",
    ),
    "a moment pushed over the end by its offset": (
        Kind.DATETIME,
        "9999-12-31T23:59:59-05:00",
        "9999-12-31T23:59:59-05:00",
    ),
    "a time": (Kind.TIME, "10:20:30", CLOCK(10, 20, 30)),
    "midnight": (Kind.TIME, "00:00:00", CLOCK(0, 0)),
    "a time with milliseconds": (Kind.TIME, "10:20:30.25", CLOCK(10, 20, 30, 250_000)),
    "the last millisecond": (Kind.TIME, "23:59:59.999", CLOCK(23, 59, 59, 999_000)),
    "the end of a day": (Kind.TIME, "23:59:59.999999", "23:59:59.999999"),
    "a time with an offset": (Kind.TIME, "10:20:30+02:00", "10:20:30+02:00"),
    "a time of no clock": (Kind.TIME, "24:00:01", "24:00:01"),
    "a duration": (Kind.DURATION, "P1DT3600S", SPAN(days=1, hours=1)),
    "a duration with a fraction": (Kind.DURATION, "P0DT0.250000S", SPAN(milliseconds=250)),
    "no duration": (Kind.DURATION, "P0DT0S", SPAN()),
    "a negative duration": (Kind.DURATION, "-P0DT0.500000S", "-P0DT0.500000S"),
    "a duration beyond the calendar": (Kind.DURATION, "P2958466DT0S", "P2958466DT0S"),
    "a uuid": (Kind.UUID, "0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10", "0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10"),
    "bytes": (Kind.BINARY, "00ff3d", "00ff3d"),
    "json": (Kind.NESTED, '{"a":["<",null]}', '{"a":["<",null]}'),
}  # fmt: skip

# A Python object, and what a reader gives back.
OBJECTS = {
    "nothing": (None, ""),
    "text": ("=1+1", "=1+1"),
    "true": (True, True),
    "one, which is equal to true": (1, 1.0),
    "an integer": (-5, -5),
    "a large integer": (2**70, str(2**70)),
    "a float": (0.1, 0.1),
    "a decimal": (Decimal("1.50"), 1.5),
    "a decimal with an exponent": (Decimal("1E+3"), 1000),
    "a long decimal": (Decimal("1234567890.123456"), "1234567890.123456"),
    "a date": (DAY(2013, 1, 31), DAY(2013, 1, 31)),
    "a moment": (
        MOMENT(2013, 1, 31, 12, tzinfo=datetime.timezone(SPAN(hours=2))),
        MOMENT(2013, 1, 31, 10),
    ),
    "a time": (CLOCK(10, 20), CLOCK(10, 20)),
    "a duration": (SPAN(hours=30), SPAN(hours=30)),
    "a uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "bytes": (b"\x00\xff", "00ff"),
    "a list": ([1, "é"], '[1,"é"]'),
    "an object": ({"a": True}, '{"a":true}'),
    "anything else": (complex(1, 2), "(1+2j)"),
}


def only(kind, value):
    """The workbook of one value, behind a column that is never empty."""
    return workbook([Field("x", Kind.TEXT), Field("value", kind)], [page(["x", value])])


@pytest.mark.parametrize(("kind", "value", "expected"), VALUES.values(), ids=VALUES.keys())
def test_value_is_read_back_with_its_type(kind, value, expected):
    got = read(only(kind, value))["Sheet1"][1][1]

    assert got == expected
    assert isinstance(got, str) == isinstance(expected, str)


@pytest.mark.parametrize(("value", "expected"), OBJECTS.values(), ids=OBJECTS.keys())
def test_object_is_read_back_by_its_type(value, expected):
    got = read(only(Kind.VALUE, value))["Sheet1"][1][1]

    assert got == expected
    assert isinstance(got, bool) == isinstance(expected, bool)


@pytest.mark.parametrize("kind", Kind)
def test_null_leaves_an_empty_cell(kind):
    assert without_addresses(rows_of(only(kind, None))).endswith(
        '<row><c t="inlineStr"><is><t>x</t></is></c><c/></row>'
    )


@pytest.mark.parametrize("unfit", ["\ud800", "\ufffe", "\uffff"])
def test_invalid_character_is_escaped(unfit):
    assert text.text(f"a{unfit}") == f' t="inlineStr"><is><t>a_x{ord(unfit):04X}_</t></is></c>'


def test_openpyxl_sees_numbers_and_times_with_their_formats():
    kinds = [Kind.INTEGER, Kind.DATE, Kind.DATETIME, Kind.DATETIME, Kind.TIME, Kind.DURATION]
    values = ["1", "2013-01-31", "2013-01-31T10:00:00", "2013-01-31T10:00:00.5", "10:00:00"]
    values.append("P2DT0S")
    fields = [Field(str(at), kind) for at, kind in enumerate(kinds)]

    row = openpyxl.load_workbook(io.BytesIO(workbook(fields, [page(values)]))).active[2]

    assert [cell.value for cell in row] == [
        1,
        MOMENT(2013, 1, 31),
        MOMENT(2013, 1, 31, 10),
        MOMENT(2013, 1, 31, 10, 0, 0, 500_000),
        CLOCK(10),
        SPAN(days=2),
    ]
    assert [cell.number_format.replace("\\", "") for cell in row] == [
        "General",
        "yyyy-mm-dd",
        "yyyy-mm-dd hh:mm:ss",
        "yyyy-mm-dd hh:mm:ss.000",
        "hh:mm:ss",
        "[h]:mm:ss",
    ]


@pytest.mark.parametrize("value", [" a", "a ", "\ta", "a\n"])
def test_outer_white_space_is_preserved(value):
    assert f'<t xml:space="preserve">{value}</t>' in rows_of(only(Kind.TEXT, value))


# -- Length -------------------------------------------------------------------------


@pytest.mark.parametrize("longest", ["a" * 32_767, "✈" * 32_767, "a" + "👩" * 16_383])
def test_text_length_is_counted_like_excel(longest):
    assert read(only(Kind.TEXT, longest))["Sheet1"][1][1] == longest

    with pytest.raises(Unwritable):
        only(Kind.TEXT, f"{longest}a")


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.NESTED, Kind.BINARY, Kind.VALUE])
def test_overlong_text_is_named_with_its_column_and_row(kind):
    fields = [Field("id", Kind.INTEGER), Field("remarks", kind)]

    with pytest.raises(Unwritable) as error:
        workbook(fields, [page(["7", "a"], ["8", "b" * 32_768], ["9", "c" * 40_000])])

    assert str(error.value) == (
        'A value of "remarks" has 32,768 characters, but an Excel cell can have 32,767 at most. '
        "Choose CSV."
    )
    assert error.value.row == 1


def test_overlong_header_is_refused_before_the_rows():
    with pytest.raises(Unwritable, match="header has 40,000 characters"):
        XLSXWriter([Field("a" * 40_000, Kind.TEXT)], Options())


# -- Formulas -----------------------------------------------------------------------

FORMULAS = ["=1+1", "+1", "-1", "@a", "\ta", "\ra", "'=1", "''=1"]


def quoted(book):
    rows = openpyxl.load_workbook(io.BytesIO(book)).active.iter_rows()
    return [[cell.quotePrefix for cell in row] for row in rows]


@pytest.mark.proves("workbook-has-no-formula")
@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.VALUE])
@pytest.mark.parametrize("formula", FORMULAS)
def test_text_that_looks_like_a_formula_stays_text(kind, formula):
    book = workbook([Field("a", kind)], [page(["a"], [formula])])

    assert read(book)["Sheet1"] == [["a"], ["a"], [formula]]
    assert quoted(book) == [[False], [False], [True]]


@pytest.mark.proves("workbook-has-no-formula")
def test_header_that_looks_like_a_formula_is_quoted():
    assert quoted(workbook([Field("=1", Kind.TEXT), Field("a", Kind.TEXT)])) == [[True, False]]


def test_harmless_text_and_other_kinds_are_not_quoted():
    fields = [Field("a", Kind.TEXT), Field("b", Kind.INTEGER), Field("c", Kind.VALUE)]
    rows = [["a=1", "-1", -1], ["b = 1", "-2", Decimal(-2)], ["'a", None, None]]

    assert not any(map(any, quoted(workbook(fields, [page(*rows)]))))


def test_cells_are_not_quoted_without_protection():
    fields = [Field("=a", Kind.TEXT), Field("b", Kind.VALUE)]

    assert not any(map(any, quoted(workbook(fields, [page(["=1", "=2"])], protect=False))))


@pytest.mark.parametrize(("protect", "expected"), [(True, 5), (False, 0)])
def test_quoted_cells_are_counted(protect, expected):
    writer = XLSXWriter([Field("=", Kind.TEXT), Field("b", Kind.VALUE)], Options(protect=protect))
    written = writer.part(io.BytesIO())

    written.write(page(["=1", "=2"], ["=1", "a"], [' s="3" t="inlineStr">', None]))
    written.write(page(["a", "=1"], ["@", 1]))

    assert written.protected == expected


# -- Columns at once ----------------------------------------------------------------

ODD = st.sampled_from(["", "_x", "=", "'", "-", "<", "&", "\0", "\r", "\n", " ", "\ud800", "\ufffe", "é"])  # fmt: skip
ANY_TEXT = st.one_of(st.none(), st.text(), st.lists(ODD).map("".join))


@given(st.lists(ANY_TEXT))
def test_texts_are_the_same_in_bulk_and_single(values):
    one_by_one = [text.protected(value or "") for value in values]

    assert text.plain_texts(values) in (None, one_by_one)


@pytest.mark.parametrize("value", ["a\x01", "a\r", "_x0041_", " a", "a\n", "=1", "'=1", "\ufffe"])
def test_texts_that_need_escapes_are_not_made_in_bulk(value):
    assert text.plain_texts(["a", None, "b & <c>", "d\ne"]) is not None
    assert text.plain_texts(["a", None, "b & <c>", "d\ne", value]) is None


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.VALUE])
@pytest.mark.parametrize(
    "odd", ["a<b", "1-2", "1_0", "٣", "+", ".", "1e5x", "2013-13-01", "\ud800"]
)
def test_malformed_value_of_a_kind_becomes_text(kind, odd):
    [made] = cells.column(kind, protect=False)([odd])

    assert made == text.text(odd)


@given(st.lists(st.none() | st.decimals(allow_nan=None).map("{:f}".format)))
def test_decimals_are_the_same_in_bulk_and_single(values):
    expected = [numbers.decimal(value) if value else "/>" for value in values]

    assert numbers.decimals(values) == expected


@given(st.lists(st.none() | st.floats().map(repr)))
def test_floats_are_the_same_in_bulk_and_single(values):
    expected = [numbers.double(value) if value else "/>" for value in values]

    assert numbers.doubles(values) == expected


def test_long_text_is_not_cached(monkeypatch):
    made = []
    monkeypatch.setitem(cells._CELLS, Kind.TEXT, lambda value: made.append(value) or value)
    column = cells.column(Kind.TEXT, protect=False)

    assert column(["a", "b" * 101] * 3) == ["a", "b" * 101] * 3

    assert made == ["a"] + ["b" * 101] * 3


def test_repeated_values_give_the_same_cells():
    fields = [Field("a", Kind.TEXT), Field("b", Kind.DATETIME)]
    rows = [[f"a {at}", f"2013-01-01T10:00:{at}"] for at in range(10, 60)]

    once = without_addresses(rows_of(workbook(fields, [page(*rows)], header=False)))

    assert once.count("<row>") == 50
    again = rows_of(workbook(fields, [page(*rows * 20)], header=False))
    assert without_addresses(again) == once * 20
