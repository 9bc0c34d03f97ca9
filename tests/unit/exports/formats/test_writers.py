"""Pages become bytes: exactly these, for every kind of column and every type of a value."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import uuid
import zlib
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import gettext_lazy

from exports.formats import writer_class
from exports.formats.base import Options
from exports.formats.kinds import Field, Kind

NEW_YORK = ZoneInfo("America/New_York")

# What a function gave, its cell in CSV, and what JSON Lines has for it.
VALUES = {
    "nothing": (None, "", None),
    "empty text": ("", '""', ""),
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
    "a tab in front": ("\t=1", "'\t'=1", "\t=1"),
    "a carriage return in front": ("\r=1", "\"'\r'=1\"", "\r=1"),
    "a formula made harmless": ("'=1", "''=1", "'=1"),
    "an apostrophe": ("'tis", "'tis", "'tis"),
    "text of a negative number": ("-5", "'-5", "-5"),
    "an integer": (517, "517", 517),
    "a negative integer": (-5, "-5", -5),
    "zero": (0, "0", 0),
    "a large integer": (2**70, str(2**70), 2**70),
    "a float": (59.37, "59.37", 59.37),
    "a negative float": (-80.6195833, "-80.6195833", -80.6195833),
    "a small float": (1e-07, "1e-07", 1e-07),
    "not a number": (float("nan"), "NaN", "NaN"),
    "infinity": (float("inf"), "Infinity", "Infinity"),
    "negative infinity": (float("-inf"), "-Infinity", "-Infinity"),
    "true": (True, "true", True),
    "false": (False, "false", False),
    "a decimal": (Decimal("1.50"), "1.50", "1.50"),
    "a negative decimal": (Decimal("-0.10"), "-0.10", "-0.10"),
    "a decimal that is none": (Decimal("NaN"), "NaN", "NaN"),
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
    "a tuple": ((1, "é"), '"[1,""é""]"', [1, "é"]),
    "an object": ({"a": [True]}, '"{""a"":[true]}"', {"a": [True]}),
    "an object with a decimal": ({"a": Decimal("1.0")}, '"{""a"":""1.0""}"', {"a": "1.0"}),
    "an object with infinity": ({"a": float("inf")}, '"{""a"":""Infinity""}"', {"a": "Infinity"}),
    "translated text": (gettext_lazy("=1"), "'=1", "=1"),
}
BY_NAME = pytest.mark.parametrize(
    ("value", "as_cell", "as_json"), VALUES.values(), ids=VALUES.keys()
)


# Plain text of each kind, its cell in CSV, and what JSON Lines has for it.
TEXTS = {
    "text": (Kind.TEXT, "Fiumicino", "Fiumicino", '"Fiumicino"'),
    "empty text": (Kind.TEXT, "", '""', '""'),
    "a formula": (Kind.TEXT, "-5", "'-5", '"-5"'),
    "text with all that is quoted": (Kind.TEXT, 'a"b,\n', '"a""b,\n"', r'"a\"b,\n"'),
    "control characters": (Kind.TEXT, "\x01\x1f\x7f", "\x01\x1f\x7f", '"\\u0001\\u001f\x7f"'),
    "an integer": (Kind.INTEGER, "-5", "-5", "-5"),
    "a float": (Kind.FLOAT, "1e-07", "1e-07", "1e-07"),
    "no number": (Kind.FLOAT, "NaN", "NaN", '"NaN"'),
    "infinity": (Kind.FLOAT, "-Infinity", "-Infinity", '"-Infinity"'),
    "a decimal": (Kind.DECIMAL, "-1.50", "-1.50", '"-1.50"'),
    "true": (Kind.BOOLEAN, "true", "true", "true"),
    "a date": (Kind.DATE, "2013-01-31", "2013-01-31", '"2013-01-31"'),
    "a moment": (
        Kind.DATETIME,
        "2013-01-31T10:00:00.5+00:00",
        "2013-01-31T10:00:00.5+00:00",
        '"2013-01-31T10:00:00.5+00:00"',
    ),
    "a time": (Kind.TIME, "10:00:00.5", "10:00:00.5", '"10:00:00.5"'),
    "a negative duration": (Kind.DURATION, "-P0DT1.5S", "-P0DT1.5S", '"-P0DT1.5S"'),
    "a uuid": (Kind.UUID, str(uuid.UUID(int=1)), str(uuid.UUID(int=1)), f'"{uuid.UUID(int=1)}"'),
    "bytes": (Kind.BINARY, "00ff", "00ff", '"00ff"'),
    "no bytes": (Kind.BINARY, "", '""', '""'),
    "an object": (Kind.NESTED, '{"a": [1]}', '"{""a"": [1]}"', '{"a": [1]}'),
    "a JSON text": (Kind.NESTED, '"=1"', '"""=1"""', '"=1"'),
}
OF_EACH_KIND = pytest.mark.parametrize(
    ("kind", "text", "as_cell", "as_json"), TEXTS.values(), ids=TEXTS.keys()
)
FORMATS = pytest.mark.parametrize("name", ["csv", "jsonl"])


def fields(headers, kind=Kind.VALUE):
    return [Field(header, kind) for header in headers]


def part(writer, *pages):
    """The bytes of a part, and the writer of it."""
    out = io.BytesIO()
    made = writer.part(out)
    for page in pages:
        made.write(page)
    made.close()
    return out.getvalue(), made


def assembled(writer, *parts):
    out = io.BytesIO()
    writer.assemble(out, map(io.BytesIO, parts))
    return out.getvalue()


def written(name, columns, *rows, **options):
    """The file of a single part: rows of values, for fields or for headers."""
    writer = writer_class(name)(
        [each if isinstance(each, Field) else Field(each, Kind.VALUE) for each in columns],
        Options(**options),
    )
    pages = [list(zip(*rows, strict=True))] if rows else []
    return assembled(writer, part(writer, *pages)[0])


def protected(page, *kinds, **options):
    """How many cells of the page were."""
    columns = [Field(str(number), kind) for number, kind in enumerate(kinds)]
    return part(writer_class("csv")(columns, Options(**options)), page)[1].protected


# -- CSV ----------------------------------------------------------------------------


@BY_NAME
def test_value_becomes_its_csv_cell(value, as_cell, as_json):
    file = written("csv", ["x", "value", "y"], [1, value, 2])

    assert file == f"x,value,y\n1,{as_cell},2\n".encode()


@OF_EACH_KIND
def test_plain_text_becomes_its_csv_cell(kind, text, as_cell, as_json):
    file = written("csv", ["x", Field("value", kind)], [1, text], [2, None], [3, text])

    assert file == f"x,value\n1,{as_cell}\n2,\n3,{as_cell}\n".encode()


def test_row_of_one_empty_cell_is_still_a_line():
    file = written("csv", ["x"], [None], [""], ["a"])

    assert file == b'x\n\n""\na\n'


def test_postgresql_end_of_data_marker_is_quoted():
    alone = written("csv", ["x"], ["\\."])
    beside = written("csv", ["x", "y"], ["\\.", "\\."])

    assert alone == b'x\n"\\."\n'
    assert beside == b"x,y\n\\.,\\.\n"


def test_csv_without_rows_has_its_header():
    assert written("csv", ["id", "carrier__name"]) == b"id,carrier__name\n"


def test_csv_without_parts_has_its_header():
    writer = writer_class("csv")(fields(["id", "carrier__name"]), Options())

    assert assembled(writer) == b"id,carrier__name\n"


@pytest.mark.proves("csv-runs-no-formula")
def test_header_is_protected_and_quoted_like_text():
    assert written("csv", ["=1", 'a "b", c']) == b'\'=1,"a ""b"", c"\n'


def test_csv_module_reads_back_the_written_rows():
    rows = [["a\rb", 'c"d', "e,f", "g\nh", "x\r\n", "é✈", "", " "], ["1"] * 8]

    file = written("csv", ["h"] * 8, *rows)

    assert list(csv.reader(io.StringIO(file.decode(), newline="")))[1:] == rows


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_chosen_delimiter_is_quoted(delimiter):
    rows = [["a,b", f"a{delimiter}b", 1.5], ["\t", "", None]]

    file = written("csv", ["x,y", delimiter, "z"], *rows, delimiter=delimiter, protect=False)

    read = csv.reader(io.StringIO(file.decode(), newline=""), delimiter=delimiter)
    assert list(read) == [["x,y", delimiter, "z"], ["a,b", f"a{delimiter}b", "1.5"], ["\t", "", ""]]
    assert f"a,b{delimiter}".encode() in file


def test_byte_order_mark_is_written_once_on_request():
    writer = writer_class("csv")(fields(["x"]), Options(bom=True))

    file = assembled(writer, part(writer, [["a"]])[0], part(writer, [["b"]])[0])

    assert file == b"\xef\xbb\xbfx\na\nb\n"
    assert written("csv", ["x"], ["a"]) == b"x\na\n"


def test_header_can_be_left_out():
    assert written("csv", ["x"], ["a"], header=False) == b"a\n"
    assert written("csv", ["x"], ["a"], header=False, bom=True) == b"\xef\xbb\xbfa\n"


@pytest.mark.proves("csv-is-not-sylk")
@pytest.mark.parametrize("packed", [False, True])
def test_csv_never_begins_like_a_sylk_file(packed):
    def file(columns, *rows, **options):
        made = written("csv", columns, *rows, gzip=packed, **options)
        return gzip.decompress(made) if packed else made

    assert file(["ID", "ID"], ["ID", 1]) == b'"ID",ID\nID,1\n'
    assert file(["ID;P"], delimiter="|") == b'"ID;P"\n'
    assert file(["ID,P"]) == b'"ID,P"\n'
    assert file(["Id"]) == b"Id\n"
    assert file(["ID"], bom=True) == b"\xef\xbb\xbfID\n"
    assert file(["x", "y"], ["ID1", "ID"], ["ID2", "ID"], header=False) == b'"ID1",ID\nID2,ID\n'
    assert file(["x"], ["ID1"], header=False, bom=True) == b"\xef\xbb\xbfID1\n"


@pytest.mark.proves("csv-is-not-sylk")
def test_csv_never_begins_like_a_sylk_file_for_any_first_part():
    writer = writer_class("csv")(fields(["x", "y"]), Options(header=False))
    out = io.BytesIO()
    copied = writer.part(out)

    copied.write_lines([])
    copied.write_lines([b"ID1,a\n", b"ID2,b\n"])
    copied.close()

    assert assembled(writer, part(writer)[0], out.getvalue()) == b'"ID1",a\nID2,b\n'
    assert out.getvalue() == part(writer, [["ID1", "ID2"], ["a", "b"]])[0]


def test_protection_can_be_left_out():
    columns = [Field("=x", Kind.TEXT), Field("+y", Kind.VALUE)]

    assert written("csv", columns, ["=1", "-1"], protect=False) == b"=x,+y\n=1,-1\n"
    assert protected([["=1"]], Kind.TEXT, protect=False) == 0


def test_protected_cells_are_counted_even_if_repeated():
    page = [["=1", "=1", "a", None, "'", "'-"], ["+1", 5, -5, "", None, "x"], ["-5"] * 6]

    assert protected(page, Kind.TEXT, Kind.VALUE, Kind.INTEGER) == 4


def test_cells_protected_by_the_database_are_counted():
    columns = [Field("x", Kind.TEXT), Field("n", Kind.INTEGER), Field("y", Kind.TEXT)]
    lines = [
        b"'=1,-5,a\n",
        b"''=1,5,'-\n",
        b'"\'=,""\n",-5,"\'+1,""\n"\n',
        b"',1,a'=1\n",
        b'"a,\'=1",-1,"a""\'=1"\n',
        "'\uff1d1,1,a\n".encode(),
        "a,1,'\ufeff=1\n".encode(),
        "'\uff1e1,1,\"'\n\"\n".encode(),
        b",,\n",
    ]
    out = io.BytesIO()
    writer = writer_class("csv")(columns, Options()).part(out)

    writer.write_lines(lines)

    assert writer.protected == 9
    assert out.getvalue() == b"".join(lines)


# -- JSON Lines ---------------------------------------------------------------------


@BY_NAME
def test_value_becomes_its_json(value, as_cell, as_json):
    file = written("jsonl", ["x", "value"], [1, value])

    line = file.decode().removesuffix("\n")
    assert "\n" not in line
    assert json.loads(line, parse_constant=pytest.fail) == {"x": 1, "value": as_json}


@OF_EACH_KIND
def test_plain_text_becomes_its_json(kind, text, as_cell, as_json):
    file = written("jsonl", ["x", Field("value", kind)], [1, text], [2, None])

    assert file == f'{{"x":1,"value":{as_json}}}\n{{"x":2,"value":null}}\n'.encode()


def test_json_lines_are_compact_and_keep_characters():
    file = written("jsonl", ["name", "n"], ["Zürich", 1], [None, -2])

    assert file == '{"name":"Zürich","n":1}\n{"name":null,"n":-2}\n'.encode()


def test_json_lines_without_rows_are_an_empty_file():
    assert written("jsonl", ["id"]) == b""


def test_reading_json_lines_by_line_gives_every_row():
    texts = ["a\nb", "a\r\nb", "a\u2028b\x85c", "\x00\x1c", "\\", '"']

    file = written("jsonl", ["x"], *([text] for text in texts))

    assert [json.loads(line)["x"] for line in io.BytesIO(file)] == texts


def test_json_lines_header_may_have_any_characters():
    headers = ["100 %", "%s", "%(x)s", "{}", 'a "b"', "", "a\nb"]

    file = written("jsonl", headers, list(range(7)))

    assert json.loads(file) == dict(zip(headers, range(7), strict=True))


# -- Both ---------------------------------------------------------------------------


@pytest.mark.proves("each-row-once")
@FORMATS
def test_joined_parts_equal_the_file_of_one_writer(name):
    rows = [[number, f"name {number}"] for number in range(10)]
    writer = writer_class(name)(fields(["id", "name"]), Options())
    pages = [list(zip(*rows[cut], strict=True)) for cut in (slice(3), slice(3, 4), slice(4, 10))]

    parts = [part(writer, *pages[:2])[0], part(writer)[0], part(writer, pages[2])[0]]

    assert assembled(writer, *parts) == written(name, ["id", "name"], *rows)


@FORMATS
def test_repeated_text_is_written_the_same(name):
    texts = [None, "", "=1", "a,b", *(f"text {number % 25_000}" for number in range(50_000))]
    column = Field("x", Kind.TEXT)

    again = written(name, [column], *([text] for text in texts * 2), header=False)

    once = written(name, [column], *([text] for text in texts), header=False)
    assert again == once * 2


@pytest.mark.proves("gzip-has-one-member")
@FORMATS
def test_packed_parts_join_into_one_gzip_member(name):
    rows = [[number, f"name {number}"] for number in range(1_000)]
    writer = writer_class(name)(fields(["id", "name"]), Options(gzip=True))
    pages = [list(zip(*rows[cut], strict=True)) for cut in (slice(600), slice(600, 1_000))]

    file = assembled(writer, *(part(writer, page)[0] for page in pages))

    whole = written(name, ["id", "name"], *rows)
    inflater = zlib.decompressobj(wbits=31)  # Of gzip, and of one member alone.
    assert inflater.decompress(file) == whole
    assert inflater.eof
    assert inflater.unused_data == b""
    assert len(file) < len(whole) / 2


@FORMATS
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_packed_bytes_do_not_depend_on_time_or_pages(name, size):
    rows = [[number, f"name {number}"] for number in range(1_000)]
    pages = [list(zip(*rows[at : at + size], strict=True)) for at in range(0, 1_000, size)]
    writer = writer_class(name)(fields(["id", "name"]), Options(gzip=True))

    packed = part(writer, *pages)[0]

    assert packed == part(writer, list(zip(*rows, strict=True)))[0]
    assert assembled(writer, packed)[4:8] == bytes(4), "No time in it."


@FORMATS
def test_packed_file_without_parts_can_be_unpacked(name):
    writer = writer_class(name)(fields(["id"]), Options(gzip=True))

    file = assembled(writer)

    assert gzip.decompress(file) == (b"id\n" if name == "csv" else b"")
