"""Workbooks for tests: from rows, in parts and pages, and read again."""

from __future__ import annotations

import io
import re
import zipfile

from python_calamine import CalamineWorkbook

from exports.formats.base import Options
from exports.formats.xlsx import XLSXWriter


def page(*rows):
    """Return rows as a page: a list for each column."""
    return [list(column) for column in zip(*rows, strict=True)]


def part(writer, *pages):
    """Return the file of a part."""
    file = io.BytesIO()
    written = writer.part(file)
    for each in pages:
        written.write(each)
    written.close()
    return file


def workbook(fields, *parts, **options):
    """Return the bytes of a workbook of these parts, each a list of pages."""
    writer = XLSXWriter(fields, Options(**options))
    out = io.BytesIO()
    writer.assemble(out, [part(writer, *pages) for pages in parts])
    return out.getvalue()


def read(book):
    """Return the rows of each sheet, read by calamine."""
    opened = CalamineWorkbook.from_filelike(io.BytesIO(book))
    return {
        name: opened.get_sheet_by_name(name).to_python(skip_empty_area=False)
        for name in opened.sheet_names
    }


def document(book, name="xl/worksheets/sheet1.xml"):
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return archive.read(name).decode()


def rows_of(book, name="xl/worksheets/sheet1.xml"):
    """Return the XML of the rows of a sheet."""
    return document(book, name).partition("<sheetData>")[2].partition("</sheetData>")[0]


def without_addresses(rows):
    """Return the XML of rows, without their positions."""
    return re.sub(r'(<row|<c) r="[A-Z]*\d+"', r"\1", rows)
