"""Protection from formulas: text that a spreadsheet would run as one.

A cell that begins with `=`, `+`, `-`, `@`, one of the same in full width, a tab, a carriage return
or a line feed is taken for a formula, whoever wrote it (OWASP: CSV injection); so is one with a
byte order mark before that, which a spreadsheet may drop. A leading apostrophe makes it text. Text
that has the apostrophe already gets another: so whoever takes one off each cell that looks like
that has the very text back. Only text is touched: a negative number stays a number.
"""

from __future__ import annotations

import re

# For Python and for PostgreSQL, so with nothing in it but ASCII.
PATTERN = r"['\ufeff]*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]"
looks_like_formula = re.compile(PATTERN).match

# In UTF-8, anywhere: what each text that was protected has near its beginning.
has_protected = re.compile(rb"'(?:\xef\xbb\xbf)*(?:[=+@\t\r\n-]|\xef\xbc[\x9d\x8b\x8d\xa0])").search


def protect(text: str) -> str:
    """`text`, as a spreadsheet will show it and not run it."""
    return f"'{text}" if looks_like_formula(text) else text


def was_protected(text: str) -> bool:
    """Whether this came of `protect`, and was not what it got."""
    return text.startswith("'") and looks_like_formula(text) is not None
