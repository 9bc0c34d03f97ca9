"""Any rows, cut into parts in any way, are read back from the Parquet file."""

from __future__ import annotations

import datetime
from decimal import Context, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from exports.formats.kinds import Field, Kind
from tests.support.parquet import UTC, table_of


def text_of(strategy, text, read=lambda value: value):
    """Pairs of what is on a page and what is read back, or of None twice."""
    return st.none().map(lambda nothing: (nothing, nothing)) | strategy.map(
        lambda value: (text(value), read(value))
    )


def decimals(digits, places):
    return st.integers(-(10**digits) + 1, 10**digits - 1).map(
        lambda number: Decimal(number).scaleb(-places, CONTEXT)
    )


def duration_text(value):
    sign, value = ("-", -value) if value < datetime.timedelta() else ("", value)
    return f"{sign}P{value.days}DT{value.seconds}.{value.microseconds:06}S"


def float_text(value):
    return repr(value).replace("inf", "Infinity")


CONTEXT = Context(prec=80)
ANYTHING = {
    Field("text", Kind.TEXT): text_of(st.text(), str),
    Field("int16", Kind.INTEGER, bits=16): text_of(st.integers(-(2**15), 2**15 - 1), str),
    Field("int32", Kind.INTEGER, bits=32): text_of(st.integers(-(2**31), 2**31 - 1), str),
    Field("int64", Kind.INTEGER): text_of(st.integers(-(2**63), 2**63 - 1), str),
    Field("float", Kind.FLOAT): text_of(st.floats(allow_nan=False), float_text),
    Field("price", Kind.DECIMAL, 6, 2): text_of(decimals(6, 2), lambda value: f"{value:f}"),
    Field("wide", Kind.DECIMAL, 38, 10): text_of(decimals(38, 10), lambda value: f"{value:f}"),
    Field("widest", Kind.DECIMAL, 76, 76): text_of(decimals(76, 76), lambda value: f"{value:f}"),
    Field("truth", Kind.BOOLEAN): text_of(st.booleans(), lambda value: str(value).lower()),
    Field("date", Kind.DATE): text_of(st.dates(), str),
    Field("moment", Kind.DATETIME): text_of(
        st.datetimes(timezones=st.sampled_from([None, UTC])),
        datetime.datetime.isoformat,
        lambda value: value.replace(tzinfo=UTC),
    ),
    Field("time", Kind.TIME): text_of(st.times(), datetime.time.isoformat),
    Field("duration", Kind.DURATION): text_of(
        st.integers(-(2**63) + 1, 2**63 - 1).map(lambda n: datetime.timedelta(microseconds=n)),
        duration_text,
    ),
    Field("uuid", Kind.UUID): text_of(st.uuids(), str, str),
    Field("bytes", Kind.BINARY): text_of(st.binary(), bytes.hex),
    Field("nested", Kind.NESTED): text_of(st.just('{"a":[1]}'), str),
    Field("value", Kind.VALUE): text_of(st.integers(), int, str),
}


@st.composite
def cut_rows(draw):
    """Some rows, each of pairs, and parts of pages of rows with the same in order."""
    source = draw(st.lists(st.tuples(*ANYTHING.values()), max_size=12))
    parts, pages, page = [], [], []
    for row in source:
        page.append(row)
        if draw(st.booleans()):
            pages, page = [*pages, page], []
            if draw(st.booleans()):
                parts, pages = [*parts, pages], []
    return source, [*parts, [*pages, page]]


def as_page(of_rows):
    return [[row[number][0] for row in of_rows] for number in range(len(ANYTHING))]


@settings(max_examples=60, deadline=None)
@given(cut_rows())
def test_any_rows_in_any_parts_are_read_back_as_the_same_table(cut):
    source, parts = cut
    fields = list(ANYTHING)

    table = table_of(fields, *[[as_page(page) for page in pages] for pages in parts])

    assert [tuple(row.values()) for row in table.to_pylist()] == [
        tuple(read for _, read in row) for row in source
    ]
    assert table.equals(table_of(fields, [as_page(source)]))
