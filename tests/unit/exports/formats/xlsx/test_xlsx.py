"""Parts that any worker wrote become one workbook, with rows copied as they were deflated."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
import zlib

import openpyxl
import pytest

from exports.exceptions import Unwritable
from exports.formats.base import Options
from exports.formats.kinds import Field, Kind
from exports.formats.xlsx import XLSXWriter, segments, writer
from exports.formats.xlsx.rows import letters
from tests.support.workbooks import page, part, read, rows_of, workbook

FIELDS = [Field("id", Kind.INTEGER), Field("name", Kind.TEXT)]
HEADER = ["id", "name"]


def numbered(first, last):
    return page(*([str(number), f"name {number}"] for number in range(first, last + 1)))


def expected(first, last):
    return [[number, f"name {number}"] for number in range(first, last + 1)]


@pytest.fixture
def six_rows(monkeypatch):
    """A sheet has six rows: a header and five."""
    monkeypatch.setattr(writer, "SHEET_ROWS", 6)


# -- The workbook -------------------------------------------------------------------


@pytest.mark.parametrize("parts", [[], [[]], [[], []], [[[[], []]]]])
def test_sheet_without_rows_has_the_header(parts):
    assert read(workbook(FIELDS, *parts)) == {"Sheet1": [HEADER]}


def test_sheet_without_rows_and_header_is_empty():
    assert read(workbook(FIELDS, header=False)) == {"Sheet1": []}


def test_rows_of_all_parts_follow_in_order():
    book = workbook(FIELDS, [numbered(1, 2), numbered(3, 3)], [], [numbered(4, 7)])

    assert read(book) == {"Sheet1": [HEADER, *expected(1, 7)]}


def test_header_is_bold_and_frozen():
    sheet = openpyxl.load_workbook(io.BytesIO(workbook(FIELDS, [numbered(1, 1)]))).active

    assert sheet.freeze_panes == "A2"
    assert [[cell.font.b for cell in row] for row in sheet.iter_rows()] == [
        [True, True],
        [False, False],
    ]


def test_sheet_without_a_header_has_no_frozen_pane():
    book = workbook(FIELDS, [numbered(1, 2)], header=False)

    assert openpyxl.load_workbook(io.BytesIO(book)).active.freeze_panes is None
    assert read(book) == {"Sheet1": expected(1, 2)}


@pytest.mark.proves("workbooks-open-everywhere")
def test_rows_and_cells_have_their_addresses(six_rows):
    rows = [["1", None]] * 3

    book = workbook(FIELDS, [page(*rows)], [page(*rows)])

    name = '<c r="B1" s="1" t="inlineStr"><is><t>name</t></is></c></row>'
    assert rows_of(book).partition(name)[2] == "".join(
        f'<row r="{row}"><c r="A{row}"><v>1</v></c><c r="B{row}"/></row>' for row in range(2, 7)
    )
    assert rows_of(book, "xl/worksheets/sheet2.xml").partition(name)[2] == (
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2"/></row>'
    )


@pytest.mark.parametrize(
    ("column", "name"), {1: "A", 26: "Z", 27: "AA", 702: "ZZ", 703: "AAA", 16_384: "XFD"}.items()
)
def test_columns_have_alphabetic_names(column, name):
    assert letters(column) == name


def test_columns_of_times_are_wide_enough():
    fields = [Field("a", Kind.DATETIME), Field("a header of some length", Kind.INTEGER)]

    columns = openpyxl.load_workbook(io.BytesIO(workbook(fields))).active.column_dimensions

    assert columns["A"].width > len("2013-01-31 10:00:00.000")
    assert columns["B"].width > len("a header of some length")


def test_documents_are_well_formed_and_named(six_rows):
    fields = [Field("a & b <c>", Kind.TEXT), Field('"', Kind.TEXT)]

    book = workbook(fields, [page(*[["\x00 & <\r>", "_x0041_"]] * 7)])

    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        assert archive.testzip() is None
        documents = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}
    assert set(documents) == {
        "[Content_Types].xml",
        "_rels/.rels",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/styles.xml",
        "xl/worksheets/sheet1.xml",
        "xl/worksheets/sheet2.xml",
    }
    named = {each.get("PartName") for each in documents["[Content_Types].xml"]} - {None}
    assert named == {f"/{name}" for name in documents if name.startswith("xl/")} - {
        "/xl/_rels/workbook.xml.rels"
    }


def test_same_pages_give_the_same_bytes():
    pages = [numbered(1, 40), numbered(41, 60)]

    assert workbook(FIELDS, pages) == workbook(FIELDS, pages)


def test_more_columns_than_a_sheet_has_are_refused_at_once():
    fields = [Field("a", Kind.TEXT)] * 16_385

    assert XLSXWriter(fields[1:], Options())
    with pytest.raises(Unwritable) as error:
        XLSXWriter(fields, Options())

    assert str(error.value) == (
        "This export has 16,385 columns, but an Excel sheet can have 16,384 at most. "
        "Choose fewer columns, or CSV."
    )


# -- Sheets -------------------------------------------------------------------------


def test_sheet_has_excels_maximum_of_rows():
    assert writer.SHEET_ROWS == 1_048_576


def test_full_sheet_is_followed_by_another_with_the_header(six_rows):
    book = workbook(FIELDS, [numbered(1, 3), numbered(4, 7)], [numbered(8, 11)])

    assert read(book) == {
        "Sheet1": [HEADER, *expected(1, 5)],
        "Sheet2": [HEADER, *expected(6, 10)],
        "Sheet3": [HEADER, *expected(11, 11)],
    }


def test_sheet_without_a_header_has_one_more_row(six_rows):
    book = workbook(FIELDS, [numbered(1, 7)], header=False)

    assert read(book) == {"Sheet1": expected(1, 6), "Sheet2": expected(7, 7)}


def test_exactly_full_sheet_starts_no_other(six_rows):
    book = workbook(FIELDS, [numbered(1, 2)], [numbered(3, 5)], [])

    assert read(book) == {"Sheet1": [HEADER, *expected(1, 5)]}


def test_page_may_fill_many_sheets(six_rows):
    book = workbook(FIELDS, [numbered(1, 17)])

    assert [len(rows) for rows in read(book).values()] == [6, 6, 6, 3]


def test_part_may_be_closed_when_the_next_is_requested(six_rows):
    xlsx = XLSXWriter(FIELDS, Options())
    out = io.BytesIO()

    def opened():
        for first in range(1, 12, 4):
            with part(xlsx, numbered(first, first + 3)) as file:
                yield file

    xlsx.assemble(out, opened())

    assert [len(rows) for rows in read(out.getvalue()).values()] == [6, 6, 3]


# -- Parts --------------------------------------------------------------------------


def test_each_segment_inflates_alone_and_matches_the_index(monkeypatch):
    monkeypatch.setattr(segments, "_SMALLEST", 1)
    file = part(XLSXWriter(FIELDS, Options()), *(numbered(n * 100, n * 100 + n) for n in range(5)))

    listed = segments.index(file)

    assert [segment.rows for segment in listed] == [1, 2, 3, 4, 5]
    for segment in listed:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        raw = inflater.decompress(file.read(segment.size))
        assert (len(raw), zlib.crc32(raw)) == (segment.raw, segment.crc)
        assert raw.count(b"</row>") == segment.rows
        assert not inflater.eof


def test_small_pages_are_joined_into_one_segment():
    file = part(XLSXWriter(FIELDS, Options()), *(numbered(n, n) for n in range(1, 50)))

    assert [segment.rows for segment in segments.index(file)] == [49]


def test_many_rows_become_several_segments():
    pages = [numbered(n, n + 4_999) for n in range(1, 40_000, 5_000)]

    listed = segments.index(part(XLSXWriter(FIELDS, Options()), *pages))

    assert sum(segment.rows for segment in listed) == 40_000
    assert len(listed) > 2
