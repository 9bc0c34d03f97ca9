"""The file is the table: every value, every row once, whichever reader has read it."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import re
import uuid
from contextlib import closing
from decimal import Decimal

import duckdb
import pytest
from django.db import DataError, connection
from django.db.models import (
    Avg,
    BinaryField,
    Case,
    DateField,
    Exists,
    F,
    Func,
    IntegerField,
    JSONField,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import (
    Cast,
    Coalesce,
    Concat,
    ExtractSecond,
    ExtractYear,
    Length,
    Trunc,
    TruncDate,
    Upper,
)
from django.utils.dateparse import parse_duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exports.exceptions import UnreadableRow
from exports.exporters import Column
from exports.formats.base import Options
from exports.formats.kinds import Kind
from exports.readers import copy
from exports.readers.connection import Source
from tests.support.exactness_models import Everything, Lists, Place, Secret, tables
from tests.support.reading import extracted, planned, readings_of, rows_of
from tests.support.samples import ROWS, TEXTS, UTC, make_everything, make_places

pytestmark = pytest.mark.django_db(transaction=True)

READERS = ["rows", *(["copy"] if connection.vendor == "postgresql" else [])]
ONLY_POSTGRES = pytest.mark.only_on("postgres")
# Where the tables are the test's, and no example of hypothesis leaves rows for another.
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = [field.attname for field in Everything._meta.concrete_fields]
# Made in SQL.
COMPUTED = [
    Column("place__name"),
    Column("place"),
    Column("key", F("pk")),
    Column("minus", F("cast1") - 1),
    Column("half", F("f1") / 2),
    Column("double", F("money") * 2),
    Column("since", F("moment") - Value(datetime.datetime(2013, 1, 1, tzinfo=UTC))),
    Column("concat", Concat("char", Value(" %s '\" \\ "), "text", output_field=TextField())),
    Column(
        "case",
        Case(
            When(truth=True, then=Value("=yes")),
            When(text__contains="%", then=Value("100%")),
            default=Value("-no"),
        ),
    ),
    Column("subquery", Subquery(Place.objects.filter(pk=OuterRef("place_id")).values("name")[:1])),
    Column("exists", Exists(Place.objects.filter(pk=OuterRef("place_id"), name__startswith="="))),
    Column("coalesce", Coalesce("char", Value("+nothing"))),
    Column(
        "func",
        Func("text", Value("'"), Value("%"), function="REPLACE", output_field=TextField()),
    ),
    Column("value", Value('=it\'s 100% {} \\ "x"')),
    Column("nothing", Value(None, TextField())),
    Column("key_a", F("json__a")),
    Column("text_a", KT("json__a")),
    Column("null", Value(None, JSONField())),
    Column("year", ExtractYear("moment")),
    Column("second", ExtractSecond("moment")),
    Column("length", Length("text")),
    Column("upper", Upper("char")),
    Column("positive_f1", Q(f1__gt=0)),
    Column("bytes", Value(b"\x00=", BinaryField())),
]
HEADERS = [
    Column("a", F("f1"), header="the \"100 %\" of {} 'x', %s\n\\"),
    Column("b", F("f1"), header="=1+1"),
    Column("line", F("f1")),
    Column("c", F("f1"), header="é" * 31),
    Column("d", F("f1"), header='"); DROP TABLE tests_everything; --'),
]


@pytest.fixture(autouse=True)
def _own_tables():
    with tables():
        yield


@pytest.fixture
def everything():
    make_everything()
    return Everything.objects.all()


# -- Two readers ----------------------------------------------------------------------


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
def test_both_readers_give_the_same_for_a_column_alone(everything, file_format):
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
def test_what_no_number_is_in_a_decimal_is_the_same():
    Everything.objects.create(money=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tests_everything SET money = 'NaN'")

    assert_same(Everything.objects.all(), ["money"])
    assert extracted(Everything.objects.all(), ["money"]).parts == [b"NaN\n"]
    assert assert_same(Everything.objects.all(), ["money"], "jsonl").file == b'{"money":"NaN"}\n'


@ONLY_POSTGRES
def test_how_the_database_writes_values_elsewhere_makes_no_difference(everything, monkeypatch):
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
def test_a_header_that_is_no_name_in_postgresql_is_left_to_the_reader_of_rows(everything):
    source = Source("default")

    with closing(source):
        for header, may in (("x" * 63, True), ("x" * 65, False), ("é" * 32, False), ("", False)):
            readings = readings_of(everything, [Column("f1", header=header)], source)
            assert copy.can_read(readings, "jsonl") is may
            assert copy.can_read(readings, "csv")

    long = Column("f1", header="x" * 65)
    made = extracted(everything.filter(pk=everything.first().pk), [long], "jsonl")
    assert json.loads(made.file) == {"x" * 65: 0}


# -- What only Django can read ----------------------------------------------------------


def test_a_field_of_somebodys_own_goes_through_its_own_code():
    Secret.objects.bulk_create([Secret(word="=cba"), Secret(word=""), Secret()])
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM tests_secret ORDER BY id")
        assert cursor.fetchone() == ("abc=",)

    made = extracted(Secret.objects.all(), ["word", Column("again", Coalesce("word", "word"))])

    assert made.file == b'word,again\n\'=cba,\'=cba\n"",""\n,\n'
    assert made.protected == [2]


@ONLY_POSTGRES
def test_an_array_of_such_goes_through_it_too():
    Lists.objects.create(secrets=["abc"])

    assert extracted(Lists.objects.all(), ["secrets"], "jsonl").file == b'{"secrets":["abc"]}\n'


@ONLY_POSTGRES
def test_what_changes_in_python_is_left_to_the_reader_of_rows():
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


def test_dates_that_are_truncated_are_dates():
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


# -- Expressions whose type is another in the database ------------------------------------


def test_numbers_have_the_type_that_django_takes_them_for():
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


def test_only_a_column_of_the_table_is_sure_to_have_no_more_digits_than_its_field():
    with closing(Source("default")) as source:
        kept, cast, total, plus = readings_of(
            Everything.objects.all(),
            ["money", "cast1", Column("total", Sum("money")), Column("plus", F("big") + 1)],
            source,
        )

    assert (kept.field.digits, kept.field.places, cast.field.bits) == (9, 2, 16)
    assert (total.field.digits, total.field.places, plus.field.bits) == (None, None, 64)


# -- The file, read back ------------------------------------------------------------------

READ = {
    "FloatField": float,
    "DecimalField": Decimal,
    "BooleanField": {"true": True, "false": False}.__getitem__,
    "DateField": datetime.date.fromisoformat,
    "DateTimeField": datetime.datetime.fromisoformat,
    "TimeField": datetime.time.fromisoformat,
    "DurationField": parse_duration,
    "UUIDField": uuid.UUID,
    "BinaryField": bytes.fromhex,
    "JSONField": json.loads,
    **dict.fromkeys(("AutoField", "SmallIntegerField", "IntegerField", "BigIntegerField"), int),
    **{f"Positive{size}IntegerField": int for size in ("", "Small", "Big")},
}


def value_of(name, text):
    """What the text of a field means."""
    field = Everything._meta.get_field(name)
    return None if text is None else READ.get(field.get_internal_type(), str)(text)


def table(queryset, names):
    """The rows as Django reads them."""
    return [list(map(comparable, row)) for row in queryset.order_by("pk").values_list(*names)]


def comparable(value):
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, float):
        return "NaN" if value != value else value  # noqa: PLR0124 - so is NaN alone
    return str(value) if isinstance(value, Decimal) else value  # With its digits.


BEFORE = (
    r"'\"\u0001-\u0020\u007f-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ufeff"
)
SIGN = r"=+@\uff1d\uff0b\uff0d\uff20-"


def undone(cell):
    """The inverse of the protection, as docs/exports.md says it."""
    if not cell:
        return cell
    cell = re.sub(rf"(?<=[,;|\t\r\n])'(?=[{BEFORE}]*[{SIGN}])", "", cell)
    return re.sub(rf"^'(?=[{BEFORE}]*[\t\r\n{SIGN}])", "", cell)


def assert_is_table(rows, queryset, names):
    found = [
        [comparable(value_of(name, cell)) for name, cell in zip(names, row, strict=True)]
        for row in rows
    ]
    assert found == table(queryset, names)


def by_duckdb(path, reader, names, **options):
    said = "".join(f", {name} = {value}" for name, value in options.items())
    types = {name: "JSON" if name == "json" else "VARCHAR" for name in names}
    with duckdb.connect() as database:
        return database.execute(
            f"SELECT * FROM {reader}('{path}', columns = {types}{said})"
        ).fetchall()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_pythons_csv_reads_the_table_back(everything, delimiter):
    file = extracted(everything, NAMES, delimiter=delimiter).file.decode()

    header, *rows = csv.reader(io.StringIO(file, newline=""), delimiter=delimiter)

    assert header == NAMES
    # It does not tell nothing from an empty text.
    found = [
        [
            comparable(value_of(name, undone(cell))) if cell else None
            for name, cell in zip(NAMES, row, strict=True)
        ]
        for row in rows
    ]
    assert found == [
        [
            None if name != "json" and value in ("", b"") else value
            for name, value in zip(NAMES, row, strict=True)
        ]
        for row in table(everything, NAMES)
    ]


@pytest.mark.parametrize("protect", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_duckdb_reads_the_table_back_from_csv(everything, tmp_path, protect, packed):
    path = tmp_path / ("file.csv.gz" if packed else "file.csv")
    path.write_bytes(extracted(everything, NAMES, protect=protect, gzip=packed, part_rows=20).file)

    rows = by_duckdb(
        path,
        "read_csv",
        NAMES,
        header="true",
        delim="','",
        quote="'\"'",
        escape="'\"'",
        nullstr="''",
        allow_quoted_nulls="false",
        auto_detect="false",
        parallel="false",
    )

    undo = undone if protect else lambda cell: cell
    assert_is_table([list(map(undo, row)) for row in rows], everything, NAMES)


@pytest.mark.parametrize("packed", [True, False])
def test_duckdb_reads_the_table_back_from_json_lines(everything, tmp_path, packed):
    path = tmp_path / ("file.jsonl.gz" if packed else "file.jsonl")
    path.write_bytes(extracted(everything, NAMES, "jsonl", gzip=packed, part_rows=20).file)

    rows = by_duckdb(path, "read_json", NAMES, format="'newline_delimited'")

    assert_is_table(rows, everything, NAMES)


def test_json_reads_the_table_back_from_json_lines(everything):
    lines = extracted(everything, NAMES, "jsonl").file.splitlines()

    def read(name, value):
        if isinstance(value, str) and name != "json":
            return value_of(name, value)
        return float(value) if name == "float" and value is not None else value

    found = [
        [comparable(read(*pair)) for pair in json.loads(line, parse_constant=pytest.fail).items()]
        for line in lines
    ]
    assert found == table(everything, NAMES)


@ONLY_POSTGRES
@pytest.mark.parametrize("protect", [True, False])
@pytest.mark.parametrize("by", ["rows", "copy"])
def test_postgresql_takes_the_file_into_a_table_of_the_same_columns(everything, protect, by):
    file = extracted(everything, NAMES, protect=protect, by=by).file
    columns = ", ".join(f'"{name}"' for name in NAMES)
    texts = [
        field.attname
        for field in Everything._meta.concrete_fields
        if field.get_internal_type() in ("CharField", "TextField", "SlugField", "FileField")
        or field.attname in ("path", "place_id")
    ]
    before = BEFORE.replace("'", "''")
    inner = rf"([,;|\t\r\n])''(?=[{before}]*[{SIGN}])"
    outer = rf"^''([{before}]*[\t\r\n{SIGN}])"
    back = {
        "duration": "CASE WHEN duration LIKE '-%' THEN -substr(duration, 2)::interval"
        " ELSE duration::interval END",
        "blob": "decode(blob, 'hex')",
        # The inverse of the protection, in SQL.
        **{
            name: f"regexp_replace(regexp_replace(\"{name}\", '{inner}', '\\1', 'g'),"
            f" '{outer}', '\\1')"
            for name in texts
        },
    }
    if not protect:
        back = {name: sql for name, sql in back.items() if name not in texts}
    taken = ", ".join(back.get(name, f'"{name}"') for name in NAMES)

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE back (LIKE tests_everything)")
        cursor.execute("ALTER TABLE back ALTER duration TYPE text, ALTER blob TYPE text")
        with cursor.copy(f"COPY back ({columns}) FROM STDIN (FORMAT csv, HEADER match)") as into:
            into.write(file)
        cursor.execute("SELECT count(*) FROM back")
        assert cursor.fetchone() == (everything.count(),)
        for one, other in (("tests_everything", "back"), ("back", "tests_everything")):
            left, right = (taken if each == "back" else columns for each in (one, other))
            cursor.execute(f"SELECT {left} FROM {one} EXCEPT ALL SELECT {right} FROM {other}")
            assert cursor.fetchall() == []
        cursor.execute("DROP TABLE back")


# -- At random ------------------------------------------------------------------------------


@EXAMPLES
@given(rows=ROWS, part_rows=st.integers(1, 6), page_rows=st.integers(1, 6), data=st.data())
def test_any_rows_cut_anywhere_give_the_same_file(rows, part_rows, page_rows, data):
    make_random(rows)
    everything = Everything.objects.all()
    file_format = data.draw(st.sampled_from(["csv", "jsonl"]))
    columns = data.draw(st.permutations([*NAMES, *COMPUTED[:3]]))

    whole = extracted(everything, columns, file_format)
    cut = extracted(everything, columns, file_format, part_rows=part_rows, page_rows=page_rows)

    assert cut.file == whole.file
    assert sum(cut.protected) == sum(whole.protected)
    assert cut.rows == sizes(len(rows), part_rows)


@EXAMPLES
@given(rows=ROWS, part_rows=st.integers(1, 6), page_rows=st.integers(1, 6))
def test_any_row_comes_once_in_the_order_of_keys_with_the_values_of_the_table(
    rows, part_rows, page_rows
):
    make_random(rows)

    found = rows_of(Everything.objects.all(), *NAMES, part_rows=part_rows, page_rows=page_rows)

    assert [int(row[0]) for row in found] == sorted(row["id"] for row in rows)
    assert_is_table(found, Everything.objects.all(), NAMES)


@ONLY_POSTGRES
@EXAMPLES
@given(rows=ROWS, part_rows=st.integers(1, 6), data=st.data())
def test_both_readers_give_the_same_for_any_rows(rows, part_rows, data):
    make_random(rows)
    file_format = data.draw(st.sampled_from(["csv", "jsonl"]))
    options = {
        "part_rows": part_rows,
        "delimiter": data.draw(st.sampled_from(",;\t|")),
        "protect": data.draw(st.booleans()),
    }

    by_rows = extracted(Everything.objects.all(), NAMES, file_format, **options)
    by_copy = extracted(Everything.objects.all(), NAMES, file_format, by="copy", **options)

    assert by_copy == by_rows


def make_random(rows):
    Everything.objects.all().delete()
    if not Place.objects.exists():
        make_places()
    Everything.objects.bulk_create(Everything(**row) for row in rows)


def sizes(rows, part_rows):
    return [min(part_rows, rows - at) for at in range(0, rows, part_rows)]


# -- What is asked for is bound ---------------------------------------------------------------


@pytest.mark.parametrize("by", READERS)
def test_a_text_in_a_filter_a_value_and_a_header_is_that_text(everything, by):
    for text in TEXTS:
        header = f"x{text[:40]}"
        columns = [
            "text",
            Column("value", Value(text, TextField())),
            Column("json", Value({"a": text}, JSONField())),
            Column("x", F("id"), header=header),
        ]
        rows = everything.filter(text=text, text__in=[text, "'"], text__startswith=text[:1])

        file = extracted(rows, columns, by=by, protect=False).file.decode()
        line = extracted(rows[:], columns, "jsonl", by=by).file.splitlines()[0]

        first, *cells = csv.reader(io.StringIO(file, newline=""))
        assert first == ["text", "value", "json", header]
        assert [row[:2] for row in cells] == [[text, text]] * rows.count()
        assert {json.loads(row[2])["a"] for row in cells} == {text}
        assert list(json.loads(line).items())[:3] == [
            *(("text", text), ("value", text), ("json", {"a": text}))
        ]
        assert header in json.loads(line)
    assert Everything.objects.count() > 60


@ONLY_POSTGRES
def test_a_text_with_the_character_of_no_text_is_refused_before_anything_is_written(everything):
    for rows in (everything.filter(text="a\0b"), everything.filter(text__contains="\0")):
        with pytest.raises(DataError, match="NUL"):
            planned(rows, 10)


@pytest.mark.parametrize("by", READERS)
def test_conditions_that_nothing_can_meet_give_a_file_without_rows(everything, by):
    for rows in (everything.none(), everything.filter(pk__in=[])):
        assert extracted(rows, ["id"], by=by).file == b"id\n"


# -- While others write, and when it fails ----------------------------------------------------


@ONLY_POSTGRES
@pytest.mark.parametrize(
    "change",
    [
        lambda: Everything.objects.filter(id__gt=12).delete(),
        lambda: Everything.objects.bulk_create(Everything(id=-n) for n in range(5)),
        lambda: Everything.objects.update(text="new", f1=0),
    ],
)
def test_copy_reads_a_part_as_it_was_at_one_moment(everything, change, monkeypatch):
    monkeypatch.setattr(copy, "ROWS", 10)
    (keys,) = planned(everything, 1_000)
    before = extracted(everything, ["id", "text", "f1"]).parts[0]

    with closing(Source("default")) as source:
        readings = readings_of(everything, ["id", "text", "f1"], source)
        blocks = copy.read(source, everything, readings, keys, file_format="csv", options=Options())
        first = [bytes(line) for line in next(blocks)]
        change()
        lines = [*first, *(bytes(line) for block in blocks for line in block)]

    assert len(first) == 10
    assert b"".join(lines) == before


@ONLY_POSTGRES
def test_a_copy_that_is_left_in_the_middle_can_be_begun_again(everything, monkeypatch):
    monkeypatch.setattr(copy, "ROWS", 10)
    (keys,) = planned(everything, 1_000)

    with closing(Source("default")) as source:
        readings = readings_of(everything, NAMES, source)

        def begin():
            return copy.read(
                source, everything, readings, keys, file_format="csv", options=Options()
            )

        left = begin()
        next(left)
        left.close()
        lines = [bytes(line) for block in begin() for line in block]

    assert b"".join(lines) == extracted(everything, NAMES).parts[0]


def test_a_function_that_raises_names_its_column_and_the_row(everything):
    keys = list(everything.order_by("pk").values_list("pk", flat=True))

    def fail(key):
        return 1 / (key - keys[20])

    with pytest.raises(UnreadableRow, match=f'"inverse" cannot be made for the row {keys[20]}: '):
        extracted(everything, ["id", Column("inverse", needs=["id"], python=fail)])
