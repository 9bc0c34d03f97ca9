"""Text in a cell: what XML cannot hold, what Excel cannot hold, and what looks like a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exports.formats.formula import looks_like_formula
from exports.formats.xlsx.styles import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

# A cell, behind its address.
EMPTY = "/>"
# How one goes on there.
PLAIN = ' t="inlineStr">'
QUOTED = f' s="{Style.QUOTED:d}" t="inlineStr">'

# What Excel holds in a cell, in units of UTF-16. It repairs a file with more, by cutting.
LONGEST = 32_767

# No characters of XML; and a CR, which XML reads as a line feed.
_UNFIT = r"\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff"
# They are written _xHHHH_ (ST_Xstring in ISO/IEC 29500). So is an underscore that would be read
# as the beginning of that; the one that ends it may come from an escaped character behind.
_ESCAPED = re.compile(f"[{_UNFIT}]|_(?=x[0-9A-Fa-f]{{4}}[_{_UNFIT}])")

_SPACE = " \t\n"
# Bytes of UTF-8 that no unfit character has. (Some others begin with 0xED and 0xEF, too.)
_FIT = bytes({0x09, 0x0A, *range(0x20, 0x100)} - {0xED, 0xEF})
_BETWEEN = "\0"


class TooLongError(ValueError):
    """Text with more characters than a cell holds. `length` says how many."""

    def __init__(self, length: int) -> None:
        super().__init__(f"{length:,} characters are more than {LONGEST:,}.")
        self.length = length


def text(value: str, opening: str = PLAIN) -> str:
    """A cell with this text. Raises TooLongError."""
    if not value:
        return EMPTY
    # No character takes more than two units.
    if 2 * len(value) > LONGEST and (length := _units(value)) > LONGEST:
        raise TooLongError(length)
    # Nothing that is printable is unfit; to ask that is much faster than the expression.
    if "_x" in value or not value.isprintable():
        value = _ESCAPED.sub(lambda match: f"_x{ord(match[0]):04X}_", value)
    # Without it, readers may take white space at the ends for the layout of the XML.
    space = ' xml:space="preserve"' if value[0] in _SPACE or value[-1] in _SPACE else ""
    return f"{opening}<is><t{space}>{_escape(value)}</t></is></c>"


def protected(value: str) -> str:
    """The same; it stays text where somebody edits the cell, or saves the sheet as CSV."""
    return text(value, QUOTED if looks_like_formula(value) else PLAIN)


def plain_texts(values: Sequence[str | None]) -> Sequence[str] | None:
    """The cells of a whole column at once, if nothing in it takes more than XML's own escapes.

    That is, nothing that `protected` or `text` do something about.
    """
    given = list(filter(None, values))
    first, last = {value[0] for value in given}, {value[-1] for value in given}
    if "'" in first or any(map(looks_like_formula, first)):
        return None
    if not (first | last).isdisjoint(_SPACE) or 2 * max(map(len, given), default=0) > LONGEST:
        return None
    joined = _BETWEEN.join([value or "" for value in values])
    unfit = joined.encode(errors="surrogatepass").translate(None, _FIT)
    # What separates them is unfit, too.
    if len(unfit) >= len(values) or "_x" in joined:
        return None
    return [
        f"{PLAIN}<is><t>{escaped}</t></is></c>" if escaped else EMPTY
        for escaped in _escape(joined).split(_BETWEEN)
    ]


def _escape(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _units(value: str) -> int:
    return len(value.encode("utf-16-le", "surrogatepass")) // 2
