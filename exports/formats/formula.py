"""Protect text from being run as a formula by a spreadsheet (OWASP: CSV injection).

A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, one of these in full width, a tab,
a carriage return or a line feed. It may drop white space, invisible characters and quotes before
that. A leading apostrophe makes the cell text.

A program that splits at another delimiter, or at line breaks inside of quotes, finds cells in the
middle of a text. So an apostrophe also follows each `,` `;` `|`, tab or line break that comes
before such a sign. Text that already has an apostrophe there gets another one, so removing one at
each such place restores the text. Only text is changed: a negative number stays a number.
"""

from __future__ import annotations

import re

# Both Python and PostgreSQL use these expressions, so they contain only ASCII and no NUL.
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

# Matches every protected text in UTF-8, and some other texts.
has_protected = re.compile(rb"'[^A-Za-z0-9]*?[=+@\t\r\n\x9d\x8b\x8d\xa0-]").search


def is_risky(text: str) -> bool:
    """Return whether a spreadsheet may run `text` or a piece of it."""
    return looks_like_formula(text) is not None or _inner.search(text) is not None


def protect(text: str) -> str:
    """Add apostrophes to `text`, so that a spreadsheet runs no piece of it."""
    inside = _inner.sub(r"\1'", text)
    return f"'{inside}" if looks_like_formula(text) else inside


def was_protected(text: str) -> bool:
    """Return whether `text`, a cell of a protected file, was changed by `protect`."""
    return _was_protected(text) is not None
