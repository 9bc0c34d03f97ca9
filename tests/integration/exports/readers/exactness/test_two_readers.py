"""Both readers give the same for every value, or leave it to the one that can."""

from __future__ import annotations

import datetime
import gzip
import json
from contextlib import closing

import pytest
from django.db import connection
from django.db.models import Avg, DateField, F, Func, IntegerField, Sum, TextField
from django.db.models.functions import Cast, Coalesce, ExtractSecond, Trunc, TruncDate

from exports.exporters import Column
from exports.formats.kinds import Kind
from exports.readers import copy
from exports.readers.connection import Source
from tests.support.exactness import COMPUTED, NAMES, ONLY_POSTGRES, READERS
from tests.support.exactness_models import Everything, Lists, Secret
from tests.support.reading import extracted, readings_of, rows_of
from tests.support.samples import UTC

pytestmark = pytest.mark.django_db(transaction=True)


HEADERS = [
    Column("a", F("f1"), header="the \"100 %\" of {} 'x', %s\n\\"),
    Column("b", F("f1"), header="=1+1"),
    Column("line", F("f1")),
    Column("c", F("f1"), header="é" * 31),
    Column("d", F("f1"), header='"); DROP TABLE tests_everything; --'),
]

# -- Two readers ---------------------------------------------------------------------------------


def assert_same(queryset, columns, file_format="csv", **options):
    """Both readers give the same parts, and count the same."""
    by_rows = extracted(queryset, columns, file_format, by="rows", part_rows=30, **options)
    by_copy = extracted(queryset, columns, file_format, by="copy", part_rows=30, **options)

    assert by_copy.parts == by_rows.parts
    assert by_copy.protected == by_rows.protected
    assert by_copy.rows == by_rows.rows
    return by_copy


@ONLY_POSTGRES
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("protect", [True, False])
def test_both_readers_give_the_same_csv(everything, delimiter, protect):
    made = assert_same(
        everything, [*NAMES, *COMPUTED, *HEADERS], delimiter=delimiter, protect=protect
    )

    assert sum(made.rows) == everything.count() > 60
    assert (sum(made.protected) > 100) is protect


@ONLY_POSTGRES
def test_both_readers_give_the_same_json_lines(everything):
    assert_same(everything, [*NAMES, *COMPUTED, *HEADERS], "jsonl")


@ONLY_POSTGRES
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_both_readers_agree_for_single_columns(everything, file_format):
    for column in [*NAMES, *COMPUTED]:
        assert_same(everything, [column], file_format)


@ONLY_POSTGRES
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_both_readers_give_the_same_packed_bytes(everything, file_format):
    made = assert_same(everything, NAMES, file_format, gzip=True)

    assert gzip.decompress(made.file) == extracted(everything, NAMES, file_format).file


@ONLY_POSTGRES
def test_both_readers_give_the_same_arrays():
    Lists.objects.bulk_create(
        [
            Lists(
                integers=[1, None, -5],
                texts=["=1", "", 'a "b"\n', "{}", "NULL", "é\\"],
                pairs=[[1.5, 1e-07], [float("inf"), 0.1]],
                moments=[datetime.datetime(2013, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)],
            ),
            Lists(integers=[], texts=[]),
            Lists(),
        ]
    )
    names = ["integers", "texts", "pairs", "moments"]

    lines = assert_same(Lists.objects.all(), names, "jsonl").file.splitlines()

    assert_same(Lists.objects.all(), names)
    assert [json.loads(line) for line in lines] == [
        {
            "integers": [1, None, -5],
            "texts": ["=1", "", 'a "b"\n', "{}", "NULL", "é\\"],
            "pairs": [[1.5, 1e-07], ["Infinity", 0.1]],
            "moments": ["2013-01-31T10:00:00.5+00:00"],
        },
        {"integers": [], "texts": [], "pairs": None, "moments": None},
        {"integers": None, "texts": None, "pairs": None, "moments": None},
    ]


@ONLY_POSTGRES
def test_nan_in_a_decimal_is_the_same_for_both_readers():
    Everything.objects.create(money=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tests_everything SET money = 'NaN'")

    assert_same(Everything.objects.all(), ["money"])
    assert extracted(Everything.objects.all(), ["money"]).parts == [b"NaN\n"]
    assert assert_same(Everything.objects.all(), ["money"], "jsonl").file == b'{"money":"NaN"}\n'


@ONLY_POSTGRES
def test_output_settings_of_the_database_make_no_difference(everything, monkeypatch):
    before = assert_same(everything, [*NAMES, *COMPUTED])

    monkeypatch.setitem(
        connection.settings_dict["OPTIONS"],
        "options",
        "-c extra_float_digits=0 -c datestyle=German -c intervalstyle=iso_8601"
        " -c bytea_output=escape",
    )
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", "America/New_York")

    assert assert_same(everything, [*NAMES, *COMPUTED]).parts == before.parts


@ONLY_POSTGRES
def test_header_that_is_no_postgresql_name_is_read_row_by_row(everything):
    source = Source("default")

    with closing(source):
        for header, may in (("x" * 63, True), ("x" * 65, False), ("é" * 32, False), ("", False)):
            readings = readings_of(everything, [Column("f1", header=header)], source)
            assert copy.can_read(readings, "jsonl") is may
            assert copy.can_read(readings, "csv")

    long = Column("f1", header="x" * 65)
    made = extracted(everything.filter(pk=everything.first().pk), [long], "jsonl")
    assert json.loads(made.file) == {"x" * 65: 0}


# -- What only Django can read -------------------------------------------------------------------


def test_custom_field_uses_its_own_conversion():
    Secret.objects.bulk_create([Secret(word="=cba"), Secret(word=""), Secret()])
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM tests_secret ORDER BY id")
        assert cursor.fetchone() == ("abc=",)

    made = extracted(Secret.objects.all(), ["word", Column("again", Coalesce("word", "word"))])

    assert made.file == b'word,again\n\'=cba,\'=cba\n"",""\n,\n'
    assert made.protected == [2]


@ONLY_POSTGRES
def test_array_of_a_custom_field_uses_its_own_conversion():
    Lists.objects.create(secrets=["abc"])

    assert extracted(Lists.objects.all(), ["secrets"], "jsonl").file == b'{"secrets":["abc"]}\n'


@ONLY_POSTGRES
def test_columns_converted_in_python_are_read_row_by_row():
    columns = [
        "word",
        Column("day", TruncDate("moment")),
        Column("month", Trunc("moment", "month")),
        Column("python", needs=["f1"], python=str),
    ]

    with closing(Source("default")) as source:
        (secret,) = readings_of(Secret.objects.all(), columns[:1], source)
        rest = readings_of(Everything.objects.all(), columns[1:], source)

    assert [each.field.kind for each in (secret, *rest)] == [Kind.VALUE] * 4
    assert not any(copy.can_read([each], "csv") for each in (secret, *rest))


def test_truncated_dates_are_dates():
    Everything.objects.create(moment=datetime.datetime(2013, 1, 31, 23, 30, tzinfo=UTC))
    columns = [
        Column("day", TruncDate("moment")),
        Column("month", Trunc("moment", "month")),
        Column("hour", Trunc("moment", "hour")),
    ]
    cast = Column("day", Cast("moment", DateField()))

    assert extracted(Everything.objects.all(), columns).parts == [
        b"2013-01-31,2013-01-01T00:00:00+00:00,2013-01-31T23:00:00+00:00\n"
    ]
    for by in READERS:
        assert extracted(Everything.objects.all(), [cast], by=by).parts == [b"2013-01-31\n"]


# -- Expressions whose type is another in the database -------------------------------------------


def test_numbers_have_the_type_that_django_gives():
    Everything.objects.create(f1=5, float=2.5, moment=datetime.datetime(2013, 1, 1, tzinfo=UTC))
    columns = [
        Column("average", Avg("f1")),
        Column("sum", Sum("f1")),
        Column("second", ExtractSecond("moment")),
        Column("rounded", Func("f1", function="ROUND", output_field=IntegerField())),
        Column("cut", Func("float", function="ABS", output_field=IntegerField())),
        Column("text", Func("text", function="LENGTH", output_field=TextField())),
        Column("power", F("f1") ** 2),
    ]

    (row,) = rows_of(Everything.objects.filter(f1=5), *columns)

    assert float(row[0]) == 5
    assert "0000" not in row[0]
    assert row[1:] == ("5", "0", "5", "2", None, "25")


def test_only_plain_columns_have_the_digits_of_their_field():
    with closing(Source("default")) as source:
        kept, cast, total, plus = readings_of(
            Everything.objects.all(),
            ["money", "cast1", Column("total", Sum("money")), Column("plus", F("big") + 1)],
            source,
        )

    assert (kept.field.digits, kept.field.places, cast.field.bits) == (9, 2, 16)
    assert (total.field.digits, total.field.places, plus.field.bits) == (None, None, 64)
