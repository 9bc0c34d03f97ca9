"""The stylesheet, and the numbers by which cells refer to its entries."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


class Style(IntEnum):
    """The values of a cell's attribute `s`."""

    PLAIN = 0
    HEADER = 1
    QUOTED_HEADER = 2
    QUOTED = 3  # Like a cell typed with a leading apostrophe: it stays text when it is edited.
    DATE = 4
    DATETIME = 5
    DATETIME_MS = 6
    TIME = 7
    TIME_MS = 8
    DURATION = 9
    DURATION_MS = 10


class _Look(NamedTuple):
    format: str = "General"
    bold: bool = False
    quoted: bool = False


_LOOKS = {
    Style.PLAIN: _Look(),
    Style.HEADER: _Look(bold=True),
    Style.QUOTED_HEADER: _Look(bold=True, quoted=True),
    Style.QUOTED: _Look(quoted=True),
    Style.DATE: _Look("yyyy\\-mm\\-dd"),
    Style.DATETIME: _Look("yyyy\\-mm\\-dd\\ hh:mm:ss"),
    Style.DATETIME_MS: _Look("yyyy\\-mm\\-dd\\ hh:mm:ss.000"),
    Style.TIME: _Look("hh:mm:ss"),
    Style.TIME_MS: _Look("hh:mm:ss.000"),
    Style.DURATION: _Look("[h]:mm:ss"),
    Style.DURATION_MS: _Look("[h]:mm:ss.000"),
}
# Lower numbers belong to Excel's own formats.
_FIRST_FORMAT = 164


def stylesheet() -> str:
    """Return the document `xl/styles.xml`."""
    formats = [look.format for look in _LOOKS.values() if look.format != "General"]
    numbers = {"General": 0} | {each: _FIRST_FORMAT + at for at, each in enumerate(formats)}
    return (
        f'{XML}<styleSheet xmlns="{MAIN}">'
        f'<numFmts count="{len(formats)}">'
        + "".join(f'<numFmt numFmtId="{numbers[each]}" formatCode="{each}"/>' for each in formats)
        + "</numFmts>"
        '<fonts count="2">'
        '<font><sz val="11"/><name val="Calibri"/><family val="2"/></font>'
        '<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font>'
        "</fonts>"
        # Excel reserves the first two fills, whatever a file says.
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
        "</cellStyleXfs>"
        f'<cellXfs count="{len(Style)}">'
        + "".join(_entry(_LOOKS[style], numbers) for style in Style)
        + "</cellXfs>"
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    )


def _entry(look: _Look, numbers: dict[str, int]) -> str:
    return (
        f'<xf numFmtId="{numbers[look.format]}" fontId="{int(look.bold)}" fillId="0" borderId="0"'
        ' xfId="0"'
        + (' applyNumberFormat="1"' if numbers[look.format] else "")
        + (' applyFont="1"' if look.bold else "")
        + (' quotePrefix="1"' if look.quoted else "")
        + "/>"
    )
