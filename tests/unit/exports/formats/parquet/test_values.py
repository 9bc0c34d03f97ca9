"""Every value is exactly in the file, in the type of its column, or refused."""

from __future__ import annotations

import datetime
import io
import math
import sys
import uuid
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from exports.exceptions import Unwritable
from exports.formats.base import Options
from exports.formats.kinds import Field, Kind
from exports.formats.parquet import ParquetWriter
from tests.support.parquet import UTC, assembled, table_of

UUID = "6458b5bf-0000-4000-8000-000000000001"


def at(*moment):
    return datetime.datetime(*moment, tzinfo=UTC)


def column(field, *values):
    """What pyarrow reads of a file with these values in its only column."""
    return table_of([field], [[list(values)]]).column(0).to_pylist()


# -- The schema ----------------------------------------------------------------------------------


TYPES = {
    "text": (Field("x", Kind.TEXT), pa.string()),
    "a small integer": (Field("x", Kind.INTEGER, bits=16), pa.int16()),
    "an integer": (Field("x", Kind.INTEGER, bits=32), pa.int32()),
    "a big integer": (Field("x", Kind.INTEGER, bits=64), pa.int64()),
    "an integer between": (Field("x", Kind.INTEGER, bits=31), pa.int32()),
    "an integer of any size": (Field("x", Kind.INTEGER), pa.int64()),
    "a float": (Field("x", Kind.FLOAT), pa.float64()),
    "a decimal": (Field("x", Kind.DECIMAL, digits=6, places=2), pa.decimal128(6, 2)),
    "a decimal of 38 digits": (Field("x", Kind.DECIMAL, 38, 38), pa.decimal128(38, 38)),
    "a decimal of 39 digits": (Field("x", Kind.DECIMAL, 39, 0), pa.decimal256(39, 0)),
    "a decimal of 76 digits": (Field("x", Kind.DECIMAL, 76, 2), pa.decimal256(76, 2)),
    "a decimal of 77 digits": (Field("x", Kind.DECIMAL, 77, 2), pa.string()),
    "a decimal of unknown digits": (Field("x", Kind.DECIMAL, places=2), pa.string()),
    "a decimal of unknown places": (Field("x", Kind.DECIMAL, digits=6), pa.string()),
    "a decimal of more places than digits": (Field("x", Kind.DECIMAL, 2, 5), pa.string()),
    "a decimal of no digits": (Field("x", Kind.DECIMAL, 0, 0), pa.string()),
    "a truth": (Field("x", Kind.BOOLEAN), pa.bool_()),
    "a date": (Field("x", Kind.DATE), pa.date32()),
    "a moment": (Field("x", Kind.DATETIME), pa.timestamp("us", "UTC")),
    "a time": (Field("x", Kind.TIME), pa.time64("us")),
    "a duration": (Field("x", Kind.DURATION), pa.duration("us")),
    "a uuid": (Field("x", Kind.UUID), pa.string()),
    "bytes": (Field("x", Kind.BINARY), pa.binary()),
    "nested": (Field("x", Kind.NESTED), pa.string()),
    "a value": (Field("x", Kind.VALUE), pa.string()),
}


@pytest.mark.parametrize(("field", "of_type"), TYPES.values(), ids=TYPES.keys())
def test_column_has_the_type_of_its_field_for_any_content(field, of_type):
    for parts in ([], [[[[]]]], [[[[None, None]]]]):
        assert table_of([field], *parts).schema == pa.schema([pa.field("x", of_type)])


def test_kinds_all_have_a_tested_type():
    assert {field.kind for field, _ in TYPES.values()} == set(Kind)


# -- Values --------------------------------------------------------------------------------------


# A field, a value on a page, what pyarrow reads, and what DuckDB reads if that is another.
VALUES = {
    "empty text": (Field("x", Kind.TEXT), "", ""),
    "text": (
        Field("x", Kind.TEXT),
        "Zürich 東京 ✈ 👩🏽‍✈️\r\n\0,\"';",
        "Zürich 東京 ✈ 👩🏽‍✈️\r\n\0,\"';",
    ),
    "a formula": (Field("x", Kind.TEXT), "=1+1", "=1+1"),
    "the smallest of 16 bits": (Field("x", Kind.INTEGER, bits=16), "-32768", -32768),
    "the largest of 32 bits": (Field("x", Kind.INTEGER, bits=32), "2147483647", 2147483647),
    "the smallest of 64 bits": (Field("x", Kind.INTEGER), f"{-(2**63)}", -(2**63)),
    "the largest of 64 bits": (Field("x", Kind.INTEGER), f"{2**63 - 1}", 2**63 - 1),
    "a float": (Field("x", Kind.FLOAT), "0.1", 0.1),
    "a small float": (Field("x", Kind.FLOAT), "1e-07", 1e-07),
    "the smallest float": (Field("x", Kind.FLOAT), "5e-324", 5e-324),
    "the largest float": (Field("x", Kind.FLOAT), "1.7976931348623157e+308", sys.float_info.max),
    "infinity": (Field("x", Kind.FLOAT), "Infinity", math.inf),
    "negative infinity": (Field("x", Kind.FLOAT), "-Infinity", -math.inf),
    "a decimal": (Field("x", Kind.DECIMAL, 6, 2), "-1234.50", Decimal("-1234.50")),
    "a decimal of fewer places": (Field("x", Kind.DECIMAL, 6, 2), "1.5", Decimal("1.50")),
    "a decimal of zeros in the end": (Field("x", Kind.DECIMAL, 6, 2), "1.5000", Decimal("1.5")),
    "a decimal of 38 digits": (
        Field("x", Kind.DECIMAL, 38, 38),
        "-0." + "9" * 38,
        Decimal("-0." + "9" * 38),
    ),
    "a decimal of 76 digits": (
        Field("x", Kind.DECIMAL, 76, 0),
        "-" + "9" * 76,
        Decimal("-" + "9" * 76),
        -1e76,  # DuckDB has decimals of 38 digits at most.
    ),
    "a decimal of unknown digits": (Field("x", Kind.DECIMAL), "1.50", "1.50"),
    "no number in a decimal of unknown digits": (Field("x", Kind.DECIMAL), "NaN", "NaN"),
    "true": (Field("x", Kind.BOOLEAN), "true", True),
    "false": (Field("x", Kind.BOOLEAN), "false", False),
    "a date": (Field("x", Kind.DATE), "2013-01-31", datetime.date(2013, 1, 31)),
    "the first date": (Field("x", Kind.DATE), "0001-01-01", datetime.date.min),
    "the last date": (Field("x", Kind.DATE), "9999-12-31", datetime.date.max),
    "a moment": (
        Field("x", Kind.DATETIME),
        "2013-01-31T10:00:00.123456+00:00",
        at(2013, 1, 31, 10, 0, 0, 123456),
    ),
    "a moment without an offset": (
        Field("x", Kind.DATETIME),
        "2013-01-31T10:00:00.5",
        at(2013, 1, 31, 10, 0, 0, 500000),
    ),
    "a moment elsewhere": (
        Field("x", Kind.DATETIME),
        "2013-01-31T10:00:00-05:30",
        at(2013, 1, 31, 15, 30),
    ),
    "the first moment": (Field("x", Kind.DATETIME), "0001-01-01T00:00:00+00:00", at(1, 1, 1)),
    "the last moment": (
        Field("x", Kind.DATETIME),
        "9999-12-31T23:59:59.999999+00:00",
        at(9999, 12, 31, 23, 59, 59, 999999),
    ),
    "a time": (Field("x", Kind.TIME), "10:00:00.5", datetime.time(10, 0, 0, 500000)),
    "the last time": (Field("x", Kind.TIME), "23:59:59.999999", datetime.time.max),
    "a duration": (
        Field("x", Kind.DURATION),
        "P1DT3600S",
        datetime.timedelta(days=1, hours=1),
        90_000_000_000,
    ),
    "a negative duration": (
        Field("x", Kind.DURATION),
        "-P0DT0.000001S",
        -datetime.timedelta(microseconds=1),
        -1,
    ),
    "a duration of a few places": (
        Field("x", Kind.DURATION),
        "P2DT1.5S",
        datetime.timedelta(days=2, seconds=1.5),
        172_801_500_000,
    ),
    "a uuid": (Field("x", Kind.UUID), UUID, UUID),
    "bytes": (Field("x", Kind.BINARY), "00ff3d", b"\x00\xff="),
    "no bytes": (Field("x", Kind.BINARY), "", b""),
    "nested": (Field("x", Kind.NESTED), '{"a": [1]}', '{"a": [1]}'),
    "an object that is text": (Field("x", Kind.VALUE), "=a", "=a"),
    "an object that is a number": (Field("x", Kind.VALUE), Decimal("1E+2"), "100"),
    "an object that is a truth": (Field("x", Kind.VALUE), True, "true"),
    "an object that is a list": (Field("x", Kind.VALUE), [1, None], "[1,null]"),
    "an object of any type": (Field("x", Kind.VALUE), uuid.UUID(UUID), UUID),
}
BY_NAME = pytest.mark.parametrize(
    ("field", "value", "read"), [case[:3] for case in VALUES.values()], ids=VALUES.keys()
)


@BY_NAME
def test_pyarrow_reads_back_a_value_and_a_null(field, value, read):
    assert column(field, value, None) == [read, None]


def test_duckdb_reads_back_all_values_and_nulls(tmp_path):
    fields = [
        Field(name, field.kind, field.digits, field.places, field.bits)
        for name, (field, *_) in VALUES.items()
    ]
    page = [[value, None] for _, value, *_ in VALUES.values()]
    path = tmp_path / "file.parquet"
    path.write_bytes(assembled(fields, [page]))

    first, second = duckdb.sql(f"SELECT * FROM '{path}'").fetchall()

    assert list(first) == [case[-1] for case in VALUES.values()]
    assert list(second) == [None] * len(fields)


def test_nan_stays_nan_in_a_column_of_floats():
    assert math.isnan(column(Field("x", Kind.FLOAT), "NaN")[0])


def test_zero_keeps_its_sign_in_a_column_of_floats():
    assert math.copysign(1, column(Field("x", Kind.FLOAT), "-0.0")[0]) == -1


def test_times_with_and_without_an_offset_share_a_column():
    moments = column(Field("x", Kind.DATETIME), "2013-01-31T10:00:00", None, "2013-01-31T10:00:00Z")

    assert moments == [at(2013, 1, 31, 10), None, at(2013, 1, 31, 10)]


# -- What is refused -----------------------------------------------------------------------------


SMALL = Field("x", Kind.INTEGER, bits=16)
BIG = Field("x", Kind.INTEGER)
FLOAT = Field("x", Kind.FLOAT)
PRICE = Field("x", Kind.DECIMAL, digits=6, places=2)
DATE = Field("x", Kind.DATE)
MOMENT = Field("x", Kind.DATETIME)
TIME = Field("x", Kind.TIME)
DURATION = Field("x", Kind.DURATION)
BINARY = Field("x", Kind.BINARY)

REFUSED = [
    *((SMALL, value) for value in ("32768", "-32769", "", "1.0", "1e3", "0xFFFF", "0x10", "a")),
    *((BIG, value) for value in (f"{2**63}", f"{-(2**63) - 1}", f"{2**64}", f"{2**64 + 1}")),
    *((FLOAT, value) for value in ("1e400", "-1e400", "9" * 400, "0x1p3", "one", "", "1 ")),
    *((PRICE, value) for value in ("10000.00", "1.505", "NaN", "Infinity", "", "a", "1e3", "1,5")),
    # These are 2 ** 128 + 150 and 2 ** 256 + 150: what is left of them would fit.
    *((PRICE, f"{2**power + 150}") for power in (128, 256)),
    *((PRICE, f"{2**power + 150}.00") for power in (128, 256)),
    *((Field("x", Kind.DECIMAL, 38, 0), value) for value in ("1" * 39, "1" * 40, "99e37")),
    (Field("x", Kind.DECIMAL, 38, 2), "1" * 37),
    (Field("x", Kind.DECIMAL, 38, 38), "0." + "1" * 39),
    (Field("x", Kind.DECIMAL, 76, 2), f"{2**256 + 150}"),
    (Field("x", Kind.DECIMAL, 76, 0), "12e76"),
    *((Field("x", Kind.BOOLEAN), value) for value in ("yes", "", "2")),
    *((DATE, value) for value in ("2013-02-30", "10000-01-01", "0044-03-15 BC", "infinity", "")),
    (DATE, "2013-01-31T00:00:00"),
    *((MOMENT, value) for value in ("infinity", "", "2013-01-31T25:00:00", "2013-01-31")),
    (MOMENT, "2013-01-31T10:00:00.1234567+00:00"),
    (MOMENT, "10000-01-01T00:00:00+00:00"),
    *((TIME, value) for value in ("24:00:00", "10:00:00.1234567", "10:00:00+01:00", "", "noon")),
    *((DURATION, value) for value in ("1 day", "", "P1D", "P1DT0.1234567S", "P999999999DT0S")),
    *((DURATION, f"P{days}DT0S") for days in ("9" * 12, "9" * 25)),
    *((BINARY, value) for value in ("0g", "abc", "é", "00 ff")),
    *((Field("x", kind), "a\ud800") for kind in (Kind.TEXT, Kind.NESTED, Kind.UUID, Kind.VALUE)),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_value_that_its_type_cannot_hold_exactly_is_refused(field, value):
    with pytest.raises(Unwritable):
        column(field, None, value)


def test_refusal_names_the_column_the_value_and_the_remedy():
    fields = [Field("id", Kind.INTEGER), Field("Price, net", Kind.DECIMAL, 6, 2)]
    part = ParquetWriter(fields, Options()).part(io.BytesIO())

    with pytest.raises(Unwritable) as refusal:
        part.write([["1", "2", "3"], ["1.50", None, "1.505"]])

    assert str(refusal.value) == (
        "The column \"Price, net\" contains '1.505', which Parquet cannot store as "
        "decimal128(6, 2). Leave out the column or the row, or export to CSV."
    )


def test_refusal_shows_the_beginning_of_a_long_value():
    with pytest.raises(Unwritable) as refusal:
        column(BIG, "9" * 100_000)

    assert f"'{'9' * 79}…" in str(refusal.value)
    assert len(str(refusal.value)) < 300
