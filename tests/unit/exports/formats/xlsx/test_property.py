"""Whatever the rows are, and however they are cut, a reader gives them back."""

from __future__ import annotations

import datetime
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from exports.formats.kinds import Field, Kind
from exports.formats.text import cell
from exports.formats.xlsx import segments, writer
from tests.support.workbooks import page, read, rows_of, workbook

# Readers round to milliseconds, and so do we.
MILLISECONDS = st.integers(0, 24 * 60 * 60 * 1_000 - 2).map(
    lambda each: datetime.timedelta(milliseconds=each)
)
DATES = st.dates(min_value=datetime.date(1900, 3, 1))


def moment(date, since):
    return datetime.datetime.combine(date, datetime.time()) + since


def clock(since):
    return moment(datetime.date(2000, 1, 1), since).time()


# Of each kind: what a reader gives back. Its plain text is what is written.
VALUES = {
    # No characters; readers do not agree on them.
    Kind.TEXT: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"))
    | st.sampled_from(["_x0041_", "_x0041", "\x01", "'=1", " ", "<", "\r\n"]),
    Kind.INTEGER: st.integers(-(10**15) + 1, 10**15 - 1),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    Kind.DECIMAL: st.decimals(-(10**9), 10**9, places=4),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: DATES,
    Kind.DATETIME: st.builds(moment, DATES, MILLISECONDS),
    Kind.TIME: MILLISECONDS.map(clock),
    Kind.DURATION: st.builds(
        lambda days, since: datetime.timedelta(days) + since, st.integers(0, 9_999), MILLISECONDS
    ),
    Kind.UUID: st.uuids(),
    Kind.BINARY: st.binary(),
    Kind.NESTED: st.lists(st.integers() | st.text("aé")),
}
# Calamine says of a midnight that it is a date.
READ = {
    Kind.DATETIME: lambda each: each if each.time() != datetime.time() else each.date(),
    Kind.UUID: str,
    Kind.BINARY: bytes.hex,
    Kind.NESTED: cell,
    Kind.DECIMAL: float,
}


def column(kind):
    return st.none() | VALUES[kind]


@st.composite
def tables(draw):
    kinds = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=5))
    rows = draw(st.lists(st.tuples(*map(column, kinds)), max_size=30))
    return kinds, [list(row) for row in rows]


def cut(draw, rows):
    """The same rows, in some pieces; some of these are empty."""
    ends = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    return [rows[start:end] for start, end in zip([0, *ends], [*ends, len(rows)], strict=True)]


def plain(kind, value, *, objects):
    if value is None or objects:
        return value
    return value if kind is Kind.TEXT else cell(value)


def given_back(kind, value):
    if value is None:
        return ""
    return READ[kind](value) if kind in READ else value


@given(st.data(), tables(), st.integers(2, 12), st.booleans())
def test_rows_are_read_back_from_any_parts_and_pages(data, table, sheet_rows, objects):
    kinds, rows = table
    fields = [Field(kind.name, Kind.VALUE if objects else kind) for kind in kinds]
    written = [
        [plain(kind, value, objects=objects) for kind, value in zip(kinds, row, strict=True)]
        for row in rows
    ]
    pieces = cut(data.draw, written)

    with (
        mock.patch.object(writer, "SHEET_ROWS", sheet_rows),
        mock.patch.object(segments, "_SMALLEST", 200),
    ):
        one = workbook(fields, [page(*written)] if written else [])
        many = workbook(
            fields, *([page(*each) for each in cut(data.draw, p) if each] for p in pieces)
        )

    header = [kind.name for kind in kinds]
    room = sheet_rows - 1
    sheets = [rows[start : start + room] for start in range(0, len(rows), room)] or [[]]
    got = read(many)
    assert list(got) == [f"Sheet{number}" for number in range(1, len(sheets) + 1)]
    for number, (name, sheet) in enumerate(zip(got, sheets, strict=True), 1):
        back = [[given_back(*each) for each in zip(kinds, row, strict=True)] for row in sheet]
        assert trimmed(got[name]) == trimmed([header, *back])
        file = f"xl/worksheets/sheet{number}.xml"
        assert rows_of(one, file) == rows_of(many, file)
        assert rows_of(one, file).count("<row ") == 1 + len(sheet)


def trimmed(rows):
    """Without empty rows at the end: readers leave them out."""
    while rows and not any(value != "" for value in rows[-1]):
        rows = rows[:-1]
    return rows
