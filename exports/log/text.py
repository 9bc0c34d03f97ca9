"""A log as text, one entry after another. Pure: no I/O.

`static/exports/log/text.js` makes the same of what is copied from a page.
tests/js/exports/log_cases.json holds both to one table.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from notifications.printable import CONTROL, INDENT

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from datetime import datetime


def printable(text: str) -> str:
    """`text` with its line breaks and tabs, and all other control characters as pictures."""
    return CONTROL.sub(_picture, text.replace("\r\n", "\n"))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x7F:  # noqa: PLR2004 - DEL
        return "\N{SYMBOL FOR DELETE}"
    # Those that have a picture have it in their order.
    return chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"  # noqa: PLR2004


def entry(at: datetime, line: Mapping[str, Any]) -> str:
    """Time, level, message, and whose it is where that is known; ends in a line feed.

    A message cannot pretend to be another entry: its further lines are indented.
    """
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = " ".join(printable(line.get("level", "")).split())
    first, *more = printable(line.get("message", "")).split("\n")
    if worker := line.get("worker"):
        first += f" [{' '.join(printable(worker).split())} #{line.get('attempt')}]"
    return "".join(f"{each}\n" for each in [f"{time} {level} {first}", *(INDENT + m for m in more)])
