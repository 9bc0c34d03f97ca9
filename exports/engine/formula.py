"""Protection from formulas: text that a spreadsheet would run as one.

A cell that begins with one of these characters is taken for a formula, whoever wrote it
(OWASP: CSV injection). A leading apostrophe makes it text. Only text is touched: a negative
number stays a number.
"""

from __future__ import annotations

STARTS = ("=", "+", "-", "@", "\t", "\r")


def protect(text: str) -> str:
    """`text`, as a spreadsheet will show it and not run it."""
    return f"'{text}" if text.startswith(STARTS) else text
