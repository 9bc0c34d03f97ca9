"""The documents of a workbook apart from the rows: the list of sheets, and the start of a sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exports.formats.formula import looks_like_formula
from exports.formats.kinds import Kind
from exports.formats.xlsx.rows import addressed, template
from exports.formats.xlsx.styles import MAIN, XML, Style
from exports.formats.xlsx.text import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exports.formats.base import Options
    from exports.formats.kinds import Field

_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

# Widths in characters. Excel shows "#####" for a time that does not fit.
_WIDTHS = {Kind.DATE: 12, Kind.DATETIME: 25, Kind.TIME: 14, Kind.DURATION: 16, Kind.UUID: 38}
_WIDTH = 10
_WIDEST_HEADER = 40

_HEADER = f' s="{Style.HEADER:d}" t="inlineStr">'
_QUOTED = f' s="{Style.QUOTED_HEADER:d}" t="inlineStr">'

RELATIONS = (
    f'{XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>"
)
SHEET_END = "</sheetData></worksheet>"


def sheet_name(number: int) -> str:
    return f"xl/worksheets/sheet{number}.xml"


def sheet_start(fields: Sequence[Field], options: Options) -> str:
    """Return the XML of a sheet up to its first data row. Raise TooLongError for a header."""
    # The header stays visible when the rows are scrolled.
    frozen = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    return (
        f'{XML}<worksheet xmlns="{MAIN}">'
        '<sheetViews><sheetView workbookViewId="0">'
        f"{frozen if options.header else ''}"
        "</sheetView></sheetViews>"
        f"<cols>{''.join(_width(at, field) for at, field in enumerate(fields, 1))}</cols>"
        "<sheetData>" + (_header(fields, options) if options.header else "")
    )


def _header(fields: Sequence[Field], options: Options) -> str:
    headers = [field.header for field in fields]
    cells = tuple(
        text(header, _QUOTED if options.protect and looks_like_formula(header) else _HEADER)
        for header in headers
    )
    return addressed(template(len(cells)) % cells, 1)


def _width(at: int, field: Field) -> str:
    header = min(len(field.header) + 2, _WIDEST_HEADER)
    width = max(_WIDTHS.get(field.kind, _WIDTH), header)
    return f'<col min="{at}" max="{at}" width="{width}" customWidth="1"/>'


def workbook(sheets: int) -> str:
    """Return the document `xl/workbook.xml`."""
    listed = (f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in _numbers(sheets))
    return (
        f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{_DOCUMENT}">'
        f"<bookViews><workbookView/></bookViews><sheets>{''.join(listed)}</sheets></workbook>"
    )


def workbook_relations(sheets: int) -> str:
    """Return the document `xl/_rels/workbook.xml.rels`."""
    listed = [
        f'<Relationship Id="rId{n}" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in _numbers(sheets)
    ]
    return (
        f'{XML}<Relationships xmlns="{_PACKAGE}/relationships">{"".join(listed)}'
        f'<Relationship Id="rId{sheets + 1}" Type="{_DOCUMENT}/styles" Target="styles.xml"/>'
        "</Relationships>"
    )


def content_types(sheets: int) -> str:
    """Return the document `[Content_Types].xml`."""
    parts = {"xl/workbook.xml": "sheet.main", "xl/styles.xml": "styles"}
    parts |= {sheet_name(n): "worksheet" for n in _numbers(sheets)}
    listed = [
        f'<Override PartName="/{name}" ContentType="{_TYPE}.{kind}+xml"/>'
        for name, kind in parts.items()
    ]
    return (
        f'{XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f"{''.join(listed)}</Types>"
    )


def _numbers(sheets: int) -> range:
    return range(1, sheets + 1)
