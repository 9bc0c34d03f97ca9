"""Odd values of every type, in all formats, by both readers: right, or refused by name.

`docs/field-types.md` shows what was found here. `UPDATE_DOCS=1` writes its tables anew, for the
database that the tests are run on; look at the difference before you commit it.
"""

from __future__ import annotations

import csv
import datetime
import enum
import io
import ipaddress
import json
import os
import pathlib
import re
import uuid
import zoneinfo
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import openpyxl
import pyarrow.parquet as pq
import pytest
from django.contrib.postgres.fields import (
    ArrayField,
    DateTimeRangeField,
    HStoreField,
    IntegerRangeField,
)
from django.contrib.postgres.search import SearchVectorField
from django.contrib.postgres.signals import get_hstore_oids, register_type_handlers
from django.db import connection, models
from django.db.backends.signals import connection_created
from django.test.utils import isolate_apps
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from exports.exceptions import UnreadableRow, Unwritable
from exports.exporters import Column
from exports.readers import copy
from exports.readers.connection import Source
from tests.support.reading import extracted, readings_of

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = pathlib.Path(__file__).resolve().parents[4] / "docs" / "field-types.md"
IS_POSTGRES = connection.vendor == "postgresql"
KEY = 7  # Of the row with the value.
LONGEST = 60  # Characters of a value in the page.
REFUSED = "refused"


class Other(models.Field):
    """A field of somebody's own, for a type that Django does not know."""


def decimals(digits, places):
    return models.DecimalField(max_digits=digits, decimal_places=places)


text = models.TextField
# The type in the database, the field of the model, and the value in SQL.
POSTGRES = [
    ("text", text(), "repeat('x', 40000)"),
    ("text", text(), "E'a\\x01\\tb'"),
    ("citext", text(), "'=Abc'"),
    ("waybill_short", text(), "'abc'"),
    ("waybill_mood", text(), "'so so'"),
    ("bit(4)", text(), "B'1010'"),
    ("bit(4)", Other(), "B'1010'"),
    ("inet", models.GenericIPAddressField(), "'10.0.0.1'"),
    ("inet", models.GenericIPAddressField(), "'10.0.0.1/8'"),
    ("inet", models.GenericIPAddressField(), "'2001:db8::1'"),
    ("cidr", models.GenericIPAddressField(), "'10.0.0.0/8'"),
    ("cidr", Other(), "'10.0.0.0/8'"),
    ("macaddr", Other(), "'08:00:2b:01:02:03'"),
    ("point", Other(), "'(1.5,2)'"),
    ("tsvector", SearchVectorField(), "'fat:1 cat:2'"),
    ("bigint", models.BigIntegerField(), "9223372036854775807"),
    ("money", decimals(20, 2), "1234.5"),
    ("money", Other(), "1234.5"),
    ("numeric", decimals(60, 20), "12345678901234567890123456789012345678.12345678901234567890"),
    ("numeric", decimals(90, 2), "1e80"),
    ("numeric", decimals(9, 2), "'NaN'"),
    ("numeric", decimals(9, 2), "'-Infinity'"),
    ("numeric", decimals(9, 2), "-0.00"),
    ("double precision", models.FloatField(), "'-0.0'"),
    ("double precision", models.FloatField(), "'NaN'"),
    ("double precision", models.FloatField(), "'-Infinity'"),
    ("real", models.FloatField(), "0.1"),
    ("date", models.DateField(), "'0044-03-15 BC'"),
    ("date", models.DateField(), "'12345-01-31'"),
    ("date", models.DateField(), "'infinity'"),
    ("timestamptz", models.DateTimeField(), "'0044-03-15 10:00:00+00 BC'"),
    ("timestamptz", models.DateTimeField(), "'12345-01-31 10:00:00+00'"),
    ("timestamptz", models.DateTimeField(), "'-infinity'"),
    ("timestamp", models.DateTimeField(), "'2013-01-31 10:00:00'"),
    ("time", models.TimeField(), "'24:00:00'"),
    ("timetz", models.TimeField(), "'10:00:00+02'"),
    ("interval", models.DurationField(), "'1 year 2 mons 3 days -1.5 seconds'"),
    ("interval", models.DurationField(), "'-1 year 365 days'"),
    ("bytea", models.BinaryField(), "'\\x00ff'"),
    ("uuid", models.UUIDField(), "'0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10'"),
    ("jsonb", models.JSONField(), """'{"a":123456789012345678901234567890}'"""),
    ("jsonb", models.JSONField(), """'[0.1234567890123456789012345]'"""),
    ("jsonb", models.JSONField(), "'[9007199254740993,1e30]'"),
    ("json", models.JSONField(), """E'{"b": [1,\\n2]}'"""),
    ("json", models.JSONField(), """'"\\ud800"'"""),
    ("int[]", ArrayField(models.IntegerField()), "'{1,NULL}'"),
    ("int[]", ArrayField(ArrayField(models.IntegerField())), "'{{1,2},{3,NULL}}'"),
    ("numeric[]", ArrayField(decimals(40, 20)), "'{1.50,NaN}'"),
    ("timestamptz[]", ArrayField(models.DateTimeField()), "'{2013-01-31 10:00:00+00,NULL}'"),
    ("bytea[]", ArrayField(models.BinaryField()), "ARRAY['\\x00ff'::bytea]"),
    ("interval[]", ArrayField(models.DurationField()), "'{1 day 1 hour}'"),
    ("int4range", IntegerRangeField(), "'[1,10)'"),
    ("int4range", IntegerRangeField(), "'empty'"),
    ("tstzrange", DateTimeRangeField(), "'[2013-01-31 10:00:00+00,)'"),
    ("int4multirange", Other(), "'{[1,3),[5,7)}'"),
    ("hstore", HStoreField(), "'a=>1,b=>NULL'"),
    ("date", Other(), "'infinity'"),
    ("text", models.UUIDField(), "'abc'"),
]
SQLITE = [
    ("text", text(), "CAST(x'61ff62' AS text)"),
    ("text", text(), "'a' || char(0) || 'b'"),
    ("text", text(), "printf('%.40000c', 'x')"),
    ("text", text(), "12"),
    ("integer", models.IntegerField(), "'=a,b'"),
    ("integer", models.IntegerField(), "2.5"),
    ("integer", models.IntegerField(), "9223372036854775807"),
    ("real", models.FloatField(), "'a,b'"),
    ("real", models.FloatField(), "-0.0"),
    ("real", models.FloatField(), "9e999"),
    ("decimal", decimals(20, 2), "'a,b'"),
    ("decimal", decimals(9, 2), "9e999"),
    ("bool", models.BooleanField(), "2"),
    ("bool", models.BooleanField(), "'a,b'"),
    ("date", models.DateField(), "'2013-02-30'"),
    ("date", models.DateField(), "'a,b'"),
    ("date", models.DateField(), "'12345-01-31'"),
    ("datetime", models.DateTimeField(), "'2013-01-31'"),
    ("datetime", models.DateTimeField(), "'2013-01-31 10:00:00+02:00'"),
    ("datetime", models.DateTimeField(), "'0000-00-00 00:00:00'"),
    ("time", models.TimeField(), "'24:00:00'"),
    ("time", models.TimeField(), "'10:00'"),
    ("bigint", models.DurationField(), "'a,b'"),
    ("char(32)", models.UUIDField(), "'abc'"),
    ("char(32)", models.UUIDField(), "'0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10'"),
    ("blob", models.BinaryField(), "x'00ff'"),
    ("blob", models.BinaryField(), "'abc'"),
    ("text", models.JSONField(), """'{"a": 123456789012345678901234567890}'"""),
    ("text", models.JSONField(), "'[0.1234567890123456789012345, 1e400]'"),
    ("text", models.JSONField(), """'"\\ud800"'"""),
    ("text", models.JSONField(), """'{"a": NaN}'"""),
    ("text", models.JSONField(), "'{a'"),
]


class Colour(models.TextChoices):
    RED = "=r", "Red"


class Size(models.IntegerChoices):
    SMALL = -1, "Small"


class Plain(enum.Enum):
    DAY = datetime.date(2013, 1, 31)


class Mixed(str, enum.Enum):  # noqa: UP042 - whose text is Mixed.A
    A = "a"


@dataclass
class Point:
    x: int
    at: Plain


class Phone:
    def __str__(self):
        return "+4930123"


class Array:
    """As NumPy has them."""

    dtype = type("dtype", (), {"kind": "i"})()

    def __init__(self, values):
        self.values = values

    def tolist(self):
        return self.values


PYTHON = [
    ("TextChoices", Colour.RED),
    ("IntegerChoices", Size.SMALL),
    ("Enum", Plain.DAY),
    ("str and Enum", Mixed.A),
    ("list of Enum", [Plain.DAY, Mixed.A, Size.SMALL]),
    ("dict of Enum", {Mixed.A: {Size.SMALL: Plain.DAY}}),
    ("lazy text", gettext_lazy("Ready")),
    ("SafeString", mark_safe("<b>")),
    ("Path", pathlib.PurePosixPath("/srv/a")),
    ("IPv4Address", ipaddress.ip_address("10.0.0.1")),
    ("ZoneInfo", zoneinfo.ZoneInfo("Europe/Berlin")),
    ("time with a zone", datetime.time(10, tzinfo=datetime.UTC)),
    ("dataclass", Point(1, Plain.DAY)),
    ("object with a text", Phone()),
    ("object without a text", object()),
    ("function", pytest.fail),
    ("set", {3, 1, 2}),
    ("generator", [1, 2].__iter__()),
    ("NumPy's number", Array(5)),
    ("NumPy's array", Array([1, 2])),
    ("Range", Range(1, 10)),
    ("Range of times", Range(datetime.datetime(2013, 1, 31, tzinfo=datetime.UTC), None)),
    ("Multirange", Multirange([Range(1, 3), Range(5, 7)])),
    ("bytes in a list", [b"\x00\xff"]),
    ("UUID", uuid.UUID(int=1)),
    ("Fraction", Fraction(1, 3)),
    ("Decimal", Decimal("1E+30")),
    ("Decimal in a list", [Decimal("1.50")]),
    ("float", -0.0),
    ("float", float("nan")),
    ("int", 2**53 + 1),
    ("int", 10**5000),
    ("half a surrogate pair", "a\ud800"),
    ("half of one in a list", ["a\ud800"]),
]


@pytest.fixture(autouse=True)
def _types():
    """Types of PostgreSQL that a database has to be given first."""
    if not IS_POSTGRES:
        yield
        return
    made = [
        "EXTENSION IF NOT EXISTS hstore",
        "EXTENSION IF NOT EXISTS citext",
        "DOMAIN waybill_short AS text CHECK (length(value) < 9)",
        "TYPE waybill_mood AS ENUM ('so so')",
    ]
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"CREATE {each}" for each in made))
    # As django.contrib.postgres does, where it is installed: an hstore is a dict then.
    get_hstore_oids.cache_clear()
    connection_created.connect(register_type_handlers)
    connection.close()
    yield
    connection_created.disconnect(register_type_handlers)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS odd; DROP DOMAIN waybill_short; DROP TYPE waybill_mood"
        )


def rows_of(field):
    """All rows of a table that is not Django's, with a field of that kind."""
    with isolate_apps("tests"):
        meta = type("Meta", (), {"app_label": "tests", "managed": False, "db_table": "odd"})
        names = {"__module__": __name__, "Meta": meta, "id": models.IntegerField(primary_key=True)}
        model = type("Odd", (models.Model,), {**names, "value": field.clone()})
    return model.objects.all()


def found_in(rows, column):
    """What each format has of the value: text as the page shows it."""
    found = {}
    for file_format, read in READ.items():
        by_rows = outcome(rows, column, file_format, "rows", read)
        if can_copy(rows, column, file_format):
            assert outcome(rows, column, file_format, "copy", read) == by_rows, file_format
        found[file_format] = by_rows
    return found


def can_copy(rows, column, file_format):
    if not IS_POSTGRES:
        return False
    with closing(Source("default")) as source:
        return copy.can_read(readings_of(rows, [column], source), file_format)


def outcome(rows, column, file_format, by, read):
    name = column if isinstance(column, str) else column.name
    try:
        return read(extracted(rows, ["id", column], file_format, by=by).file)
    except (UnreadableRow, Unwritable) as error:
        refusal = str(error)
    assert f'"{name}"' in refusal
    assert re.search(rf"\b[Rr]ow {KEY}\b", refusal), refusal
    return REFUSED


def in_csv(file):
    (_, row) = csv.reader(io.StringIO(file.decode(), newline=""))
    return row[1]


def in_lines(file):
    line = file.decode()
    json.loads(line, parse_constant=pytest.fail)
    (_, value) = line.rstrip("\n")[1:-1].split(",", 1)
    return value.split(":", 1)[1]


def in_workbook(file):
    (_, (_, cell)) = openpyxl.load_workbook(io.BytesIO(file)).active.iter_rows()
    kind = {"n": "number", "s": "text", "inlineStr": "text", "d": "date", "b": "boolean"}
    value = cell.value
    shown = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"{kind[cell.data_type]} {shown}"


def in_parquet(file):
    table = pq.read_table(io.BytesIO(file))
    (value,) = table.column(1).to_pylist()
    shown = value.hex() if isinstance(value, bytes) else str(value)
    return f"{table.schema.field(1).type} {shown}"


READ = {"csv": in_csv, "jsonl": in_lines, "xlsx": in_workbook, "parquet": in_parquet}


# -- The page --------------------------------------------------------------------------------


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def shown(value):
    """A value as code, in one line of a table."""
    value = value if len(value) <= LONGEST else f"{value[:30]}… ({len(value)} characters)"
    value = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in value
    ).replace("|", "\\|")
    return value if value == REFUSED else f"`{value}`"


def assert_page_has(heading, lines):
    page = PAGE.read_text()
    head, begin, rest = page.partition(f"## {heading}\n")
    assert begin, f"{PAGE.name} has no heading {heading}"
    table = re.search(r"\|.*?\n(?!\|)", rest, re.S)
    if os.environ.get("UPDATE_DOCS"):
        made = rest[: table.start()] + "\n".join(lines) + "\n" + rest[table.end() :]
        PAGE.write_text(head + begin + made)
        return
    assert table[0].splitlines() == lines


def row(kind, value, found):
    return line(kind, value, *map(shown, found.values()))


HEAD = ("CSV", "JSON Lines", "Excel", "Parquet")


def test_unusual_database_values_are_documented():
    lines = [line("Type", "Field", "Value", *HEAD), line(*["---"] * 7)]
    for kind, field, value in POSTGRES if IS_POSTGRES else SQLITE:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE odd (id integer PRIMARY KEY, value {kind})")
            cast = f"CAST({value} AS {kind})" if IS_POSTGRES else value
            cursor.execute(f"INSERT INTO odd VALUES ({KEY}, {cast})")
        try:
            found = found_in(rows_of(field), "value")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE odd")
        name = type(field).__name__ if not isinstance(field, Other) else "another"
        lines.append(line(f"`{kind}`", name, shown(value), *map(shown, found.values())))

    assert_page_has("PostgreSQL" if IS_POSTGRES else "SQLite", lines)


def test_unusual_python_objects_are_documented():
    lines = [line("Type", "Value", *HEAD), line(*["---"] * 6)]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE odd (id integer PRIMARY KEY, value integer)")
        cursor.execute(f"INSERT INTO odd VALUES ({KEY}, 1)")
    try:
        for kind, value in PYTHON:
            # Twice for a generator, which is empty after the first format.
            made = (lambda _: iter([1, 2])) if kind == "generator" else (lambda _, each=value: each)
            column = Column("value", needs=["id"], python=made)
            found = found_in(rows_of(models.IntegerField()), column)
            spelt = kind in ("generator", "object without a text", "function")
            spelt = spelt or type(value) in (Array, Phone, int)
            lines.append(
                line(kind, "" if spelt else shown(repr(value)), *map(shown, found.values()))
            )
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE odd")

    assert_page_has("Python", lines)


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_time_without_use_tz_is_in_the_sites_time_zone(settings, file_format):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Asia/Tokyo"
    moment = datetime.datetime(2013, 1, 31, 10)  # noqa: DTZ001 - as Django gives it
    with connection.cursor() as cursor:
        kind = "timestamptz" if IS_POSTGRES else "datetime"
        cursor.execute(f"CREATE TABLE odd (id integer PRIMARY KEY, value {kind})")
    try:
        rows = rows_of(models.DateTimeField())
        rows.model.objects.create(id=KEY, value=moment)
        assert rows.get().value == moment
        columns = ["id", "value"]
        python = Column("python", needs=["value"], python=lambda value: value)
        for by in ("rows", *(["copy"] if IS_POSTGRES else [])):
            made = extracted(rows, columns, file_format, by=by).file.decode()
            assert re.search(r"2013-01-31T10:00:00(?![+\d])", made)
        made = extracted(rows, [python], file_format).file.decode()
        assert re.search(r"2013-01-31T10:00:00(?![+\d])", made)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE odd")
