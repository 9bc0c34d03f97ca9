"""The file, read back by other programs, is the table."""

from __future__ import annotations

import csv
import io
import json
import re

import duckdb
import pytest
from django.db import connection

from tests.support.exactness import (
    NAMES,
    ONLY_POSTGRES,
    assert_is_table,
    comparable,
    table,
    value_of,
)
from tests.support.exactness_models import Everything
from tests.support.reading import extracted

pytestmark = pytest.mark.django_db(transaction=True)


BEFORE = (
    r"'\"\u0001-\u0020\u007f-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ufeff"
)
SIGN = r"=+@\uff1d\uff0b\uff0d\uff20-"


def undone(cell):
    """The inverse of the protection, as docs/formats.md says it."""
    if not cell:
        return cell
    cell = re.sub(rf"(?<=[,;|\t\r\n])'(?=[{BEFORE}]*[{SIGN}])", "", cell)
    return re.sub(rf"^'(?=[{BEFORE}]*[\t\r\n{SIGN}])", "", cell)


def by_duckdb(path, reader, names, **options):
    said = "".join(f", {name} = {value}" for name, value in options.items())
    types = {name: "JSON" if name == "json" else "VARCHAR" for name in names}
    with duckdb.connect() as database:
        return database.execute(
            f"SELECT * FROM {reader}('{path}', columns = {types}{said})"
        ).fetchall()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_module_reads_the_table_back(everything, delimiter):
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


def test_json_module_reads_the_table_back(everything):
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
def test_postgresql_imports_the_file_into_the_same_columns(everything, protect, by):
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
