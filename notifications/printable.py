"""Text of others as a log or a terminal may show it. Pure: no I/O.

A path, a header or a value that an exporter reads may have characters that begin a line of
their own, move a terminal's cursor, or reorder the letters around them. `Escaping` is the
formatter of every process; commands escape what they print themselves.
"""

from __future__ import annotations

import logging
import re
from copy import copy

# C0 without tab and line feed, DEL, C1, the line separators of Unicode, and what overrides,
# embeds or isolates a direction of writing. static/exports/log/text.js has the same list.
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
)
# What the further lines of an entry begin with: a line that does not is another entry.
INDENT = "    "


def escaped(text: str) -> str:
    """`text` with its line breaks and tabs; other control characters as in Python: \\x1b."""
    return CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """`text` without line breaks: they are escaped, too."""
    return CONTROL.sub(_escape, text).replace("\n", r"\n")


def indented(text: str) -> str:
    """The lines of `text`, escaped and indented, so that none can pretend to be an entry."""
    return "\n".join(INDENT + line for line in escaped(text).split("\n"))


def in_json(text: str) -> str:
    """JSON `text` with control characters as JSON escapes them. It means the same."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


class Escaping(logging.Formatter):
    """A formatter that lets no text of others pretend to be an entry, or steer a terminal.

    An entry is one line. The lines of its traceback are indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        record = copy(record)  # What is kept on it is for the other handlers as it was.
        if record.exc_info:
            record.exc_text = None  # Another formatter's, which did not escape it.
        elif record.exc_text:
            record.exc_text = indented(record.exc_text)
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return one_line(super().formatMessage(record))

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802 - logging's name
        return indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        return indented(super().formatStack(stack_info))
