"""Protection from formulas: text that a spreadsheet would run as one.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return is taken for a formula,
whoever wrote it (OWASP: CSV injection). A leading apostrophe makes it text. Text that has
the apostrophe already gets another: so whoever takes one off each cell that looks like
that has the very text back. Only text is touched: a negative number stays a number.
"""

from __future__ import annotations

import re

PATTERN = r"'*[=+@\t\r-]"
looks_like_formula = re.compile(PATTERN).match


def protect(text: str) -> str:
    """`text`, as a spreadsheet will show it and not run it."""
    return f"'{text}" if looks_like_formula(text) else text
