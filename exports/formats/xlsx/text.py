"""Text in cells: escapes for XML, Excel's longest text, and protection from formulas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exports.formats.formula import looks_like_formula
from exports.formats.xlsx.styles import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY = "/>"  # An empty cell, after its address.
# The beginning of a text cell, after its address.
PLAIN = ' t="inlineStr">'
QUOTED = f' s="{Style.QUOTED:d}" t="inlineStr">'

# The longest text of a cell, in units of UTF-16. Excel "repairs" a file with a longer one by
# cutting it.
LONGEST = 32_767

# Unfit characters: those that XML cannot contain, and CR, which XML reads as a line feed.
_UNFIT = r"\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff"
# They are written as _xHHHH_ (ST_Xstring in ISO/IEC 29500). An underscore that seems to begin such
# an escape is escaped, too. The underscore at its end may come from the next escaped character.
_ESCAPED = re.compile(f"[{_UNFIT}]|_(?=x[0-9A-Fa-f]{{4}}[_{_UNFIT}])")

_SPACE = " \t\n"
# The bytes that no unfit character has in UTF-8. Some fit characters begin with 0xED or 0xEF.
_FIT = bytes({0x09, 0x0A, *range(0x20, 0x100)} - {0xED, 0xEF})
_BETWEEN = "\0"


class TooLongError(ValueError):
    """A text is longer than a cell can hold. `length` is in units of UTF-16."""

    def __init__(self, length: int) -> None:
        super().__init__(f"{length:,} characters are more than {LONGEST:,}.")
        self.length = length


def text(value: str, opening: str = PLAIN) -> str:
    """Return a cell with the text `value`. Raise TooLongError."""
    if not value:
        return EMPTY
    # A character takes two units at most.
    if 2 * len(value) > LONGEST and (length := _units(value)) > LONGEST:
        raise TooLongError(length)
    # Printable characters are fit, and isprintable() is much faster than the regular expression.
    if "_x" in value or not value.isprintable():
        value = _ESCAPED.sub(lambda match: f"_x{ord(match[0]):04X}_", value)
    # Without xml:space, readers may drop white space at the ends as layout.
    space = ' xml:space="preserve"' if value[0] in _SPACE or value[-1] in _SPACE else ""
    return f"{opening}<is><t{space}>{_escape(value)}</t></is></c>"


def protected(value: str) -> str:
    """Return a cell that stays text when it is edited or the sheet is saved as CSV."""
    return text(value, QUOTED if looks_like_formula(value) else PLAIN)


def plain_texts(values: Sequence[str | None]) -> Sequence[str] | None:
    """Return the cells of a whole column, or None if a value needs more than XML's escapes.

    Such values need `text` or `protected`, which work on one value at a time.
    """
    present = list(filter(None, values))
    first, last = {value[0] for value in present}, {value[-1] for value in present}
    if "'" in first or any(map(looks_like_formula, first)):
        return None
    if not (first | last).isdisjoint(_SPACE) or 2 * max(map(len, present), default=0) > LONGEST:
        return None
    joined = _BETWEEN.join([value or "" for value in values])
    unfit = joined.encode(errors="surrogatepass").translate(None, _FIT)
    # The separators are unfit as well, and there is one fewer than values.
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
