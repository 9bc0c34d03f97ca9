"""Protection from formulas: text that a spreadsheet would run as one.

A cell that begins with `=`, `+`, `-`, `@`, one of the same in full width, a tab, a carriage return
or a line feed is taken for a formula, whoever wrote it (OWASP: CSV injection). A reader may drop
white space, invisible characters and quotes before that. A leading apostrophe makes it text.

A reader that splits at another delimiter, or at line breaks inside of quotes, finds cells in the
middle of a text. So an apostrophe also stands after each `,` `;` `|`, tab or line break that such
a sign follows. Text that has the apostrophe already gets another: whoever takes one off at each
such place has the very text back. Only text is touched: a negative number stays a number.
"""

from __future__ import annotations

import re

# For Python and for PostgreSQL, so with nothing in them but ASCII, and no NUL.
_SIGNS = r"=+@\uff1d\uff0b\uff0d\uff20-"
_SKIPPED = (
    r"'\"\u0001-\u0020\u007f-\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u3000\ufeff"
)
PATTERN = rf"[{_SKIPPED}]*[\t\r\n{_SIGNS}]"
INNER = rf"([,;|\t\r\n])(?=[{_SKIPPED}]*[{_SIGNS}])"

looks_like_formula = re.compile(PATTERN).match
_inner = re.compile(INNER)
_was_protected = re.compile(rf"'{PATTERN}|.*[,;|\t\r\n]'[{_SKIPPED}]*[{_SIGNS}]", re.DOTALL).match

# Every protected text has this in UTF-8. Other texts may have it, too.
has_protected = re.compile(rb"'[^A-Za-z0-9]*?[=+@\t\r\n\x9d\x8b\x8d\xa0-]").search


def is_risky(text: str) -> bool:
    """Whether a spreadsheet may run `text`, or a piece of it."""
    return looks_like_formula(text) is not None or _inner.search(text) is not None


def protect(text: str) -> str:
    """Return `text` so that a spreadsheet runs no piece of it, whatever delimiter it splits at."""
    inside = _inner.sub(r"\1'", text)
    return f"'{inside}" if looks_like_formula(text) else inside


def was_protected(text: str) -> bool:
    """Whether this came of `protect`, and was not what it got."""
    return _was_protected(text) is not None
