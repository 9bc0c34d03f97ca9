"""Readers that people have open what is written, and find the very values in it."""

from __future__ import annotations

import datetime
import json
import re

import pytest
from django.db import transaction

from demo.models import Flight
from exports.exporters import registry
from exports.formats.kinds import Field, Kind
from tests.support import flights
from tests.support.exactness_models import Everything, tables
from tests.support.opening import (
    DAY_0,
    READERS,
    by_decompression_stream,
    by_openpyxl,
    by_php,
    is_same,
)
from tests.support.reading import extracted
from tests.support.samples import TEXTS, make_everything
from tests.support.workbooks import page, workbook

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

# More than a part and a segment have. All 336 776 take a minute for some of the readers.
FLIGHTS = 20_000
MOMENTS = ("date", "time_hour")
TEXT = ("carrier_id", "carrier__name", "tailnum", "origin_id", "origin__name", "dest_code")
BY_READER = pytest.mark.parametrize("reader", READERS)


@pytest.fixture(scope="module")
def data(django_db_setup, django_db_blocker):
    """Loaded once, since these tests only read; and rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        flights.load(FLIGHTS)
        yield
        transaction.set_rollback(True)


def export(file_format, **options):
    columns = registry.get("flights").all_columns()
    rows = Flight.objects.all()
    return extracted(rows, columns, file_format, part_rows=7_000, page_rows=500, **options).file


@pytest.fixture(scope="module")
def lines(data, django_db_blocker):
    """The flights as JSON Lines."""
    with django_db_blocker.unblock():
        return export("jsonl")


@pytest.fixture(scope="module")
def book(data, django_db_blocker, tmp_path_factory):
    """The flights as a workbook."""
    path = tmp_path_factory.mktemp("book") / "flights.xlsx"
    with django_db_blocker.unblock():
        path.write_bytes(export("xlsx"))
    return path


def kind_of(header):
    if header in MOMENTS:
        return "moment"
    return "text" if header in (*TEXT, "dest__name") else "number"


def differences(rows, expected):
    """Where the rows of a reader, a header first, are not what was written: not more than five."""
    assert len(rows) == 1 + len(expected)
    header, *rows = rows
    assert header == list(expected[0])
    kinds = [kind_of(name) for name in header]
    found = (
        (number, name, value, cell)
        for number, (row, written) in enumerate(zip(rows, expected, strict=True), 2)
        # Some readers leave out what is empty at the end.
        for name, kind, value, cell in zip(
            header,
            kinds,
            written.values(),
            [*row, *[None] * (len(header) - len(row))],
            strict=True,
        )
        if not is_same(kind, value, cell)
    )
    return [difference for difference, _ in zip(found, range(5), strict=False)]


def written(lines):
    """The rows of the table, by header."""
    rows = [json.loads(line) for line in lines.splitlines()]
    for row in rows:
        for name in MOMENTS:
            row[name] = datetime.datetime.fromisoformat(row[name]).replace(tzinfo=None)
    return rows


@pytest.mark.proves("workbooks-open-everywhere")
@BY_READER
def test_workbook_opens_with_its_values(reader, book, lines):
    assert differences(READERS[reader](book), written(lines)) == []


@pytest.mark.proves("gzip-has-one-member")
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
@pytest.mark.parametrize("unpack", [by_php, by_decompression_stream])
def test_packed_file_is_unpacked_whole(data, tmp_path, file_format, unpack):
    path = tmp_path / f"flights.{file_format}.gz"
    path.write_bytes(export(file_format, gzip=True))

    assert unpack(path) == export(file_format)


# -- The nastiest ------------------------------------------------------------------------

ROWS = [[str(number), text, text or None] for number, text in enumerate(TEXTS)]
# What XML cannot hold is written as the standard says, and these do not undo that.
LEAVE_ESCAPED = {"openpyxl", "xlsx2csv", "gnumeric", "exceljs"}


def undone(reader, cell):
    """A cell, without what is known of its reader."""
    if isinstance(cell, str) and reader in LEAVE_ESCAPED:
        return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), cell)
    return cell


def known(reader, text):
    """The text that a reader is known to make of another."""
    if reader in ("libreoffice", "xlsx2csv"):
        return text.replace("\r\n", "\n")
    return text


@pytest.mark.proves("workbooks-open-everywhere")
@BY_READER
def test_any_text_survives_every_reader(reader, tmp_path):
    fields = [Field("id", Kind.INTEGER), Field("=a", Kind.TEXT), Field("b", Kind.TEXT)]
    path = tmp_path / "texts.xlsx"
    path.write_bytes(workbook(fields, [page(*ROWS[:40])], [page(*ROWS[40:])]))

    header, *rows = READERS[reader](path)

    assert header == ["id", "=a", "b"]
    assert [float(row[0]) for row in rows] == [float(row[0]) for row in ROWS]
    found = [[undone(reader, cell) or "" for cell in [*row, None, None][1:3]] for row in rows]
    assert found == [[known(reader, text)] * 2 for text in TEXTS]


# Those that give values and not text, which is rounded as a cell shows it.
TYPED = {name: READERS[name] for name in ("calamine", "exceljs", "sheetjs", "read-excel-file")}
MILLISECOND = 1 / 86_400_000  # of a day, as spreadsheets count
TEXT_FIELDS = ("char", "text", "slug", "url", "email", "path", "json", "blob", "uuid", "place_id")


def as_number(cell):
    """A cell as the spreadsheet stores it: days for times, and its text if it has one."""
    if isinstance(cell, datetime.time):
        cell = datetime.datetime.combine(DAY_0, cell)
    elif isinstance(cell, datetime.date) and not isinstance(cell, datetime.datetime):
        cell = datetime.datetime.combine(cell, datetime.time())
    if isinstance(cell, datetime.datetime):
        cell -= DAY_0
    if isinstance(cell, datetime.timedelta):
        return cell / datetime.timedelta(days=1)
    return float(cell) if isinstance(cell, int | float) else cell or None


@pytest.mark.django_db(transaction=True)
def test_value_of_any_type_survives_every_reader(tmp_path):
    names = [field.attname for field in Everything._meta.concrete_fields]
    path = tmp_path / "everything.xlsx"
    with tables():
        make_everything()
        path.write_bytes(extracted(Everything.objects.all(), names, "xlsx", part_rows=20).file)
    expected = by_openpyxl(path)

    # Each opens it; those that make text of it have the same texts.
    for reader, read in READERS.items():
        rows = read(path)
        assert len(rows) == len(expected) > 90
        for written, found in zip(expected, rows, strict=True):
            cells = dict(zip(names, [*found, *[None] * (len(names) - len(found))], strict=True))
            for name, value in zip(names, written, strict=True):
                if name in TEXT_FIELDS:
                    text = known(reader, undone("openpyxl", value) or "")
                    assert (undone(reader, cells[name]) or "") == text, (reader, name)
                elif reader in TYPED:
                    stored, read_back = as_number(value), as_number(cells[name])
                    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
                        stored = pytest.approx(stored, rel=1e-15, abs=1.01 * MILLISECOND)
                    assert read_back == stored, (reader, name)
