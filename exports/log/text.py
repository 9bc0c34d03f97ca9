"""Format log lines as plain text. Pure: no I/O.

`static/exports/log/text.js` formats lines that are copied from a page in the same way, and
`tests/js/exports/log_cases.json` tests both.
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
    """Replace the control characters of `text` by pictures, except for line breaks and tabs."""
    return CONTROL.sub(_picture, text.replace("\r\n", "\n"))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x7F:  # noqa: PLR2004 - DEL
        return "\N{SYMBOL FOR DELETE}"
    # The pictures of the first 32 control characters are in the same order.
    return chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"  # noqa: PLR2004


def entry(at: datetime, line: Mapping[str, Any]) -> str:
    """Return time, level and message of a line, and its worker if known; with a line break.

    The further lines of a message are indented, so that they cannot look like another entry.
    """
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = " ".join(printable(line.get("level", "")).split())
    first, *more = printable(line.get("message", "")).split("\n")
    if worker := line.get("worker"):
        first += f" [{' '.join(printable(worker).split())} #{line.get('attempt')}]"
    return "".join(f"{each}\n" for each in [f"{time} {level} {first}", *(INDENT + m for m in more)])
