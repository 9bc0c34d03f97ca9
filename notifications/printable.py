"""Escape foreign text for logs, terminals and tables, and make it storable. Pure: no I/O.

A path, a header or a value in a row may contain characters that begin a new line, move a terminal's
cursor, or reorder the text around them. All processes use the log formatter `Escaping`.
Commands call the functions for lines that they print themselves.
"""

from __future__ import annotations

import logging
import re
from copy import copy

# C0 without tab and line feed, DEL, C1, the line separators of Unicode, and the characters that
# override, embed or isolate a direction of writing. exports/static/exports/log/text.js has the same
# pattern.
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
)
# PostgreSQL stores neither NUL nor half of a surrogate pair. The name of a file that is not UTF-8
# has such halves, which cannot be sent to a client either.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Every further line of a log entry begins with this. A line without it begins a new entry.
INDENT = "    "


def escaped(text: str) -> str:
    """Escape control characters as Python does (\\x1b). Line breaks and tabs stay."""
    return CONTROL.sub(_escape, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Escape control characters and line breaks."""
    return CONTROL.sub(_escape, text).replace("\n", r"\n")


def indented(text: str) -> str:
    """Escape `text` and indent its lines, so that no line looks like a log entry."""
    return "\n".join(INDENT + line for line in escaped(text).split("\n"))


def in_json(text: str) -> str:
    """Escape control characters of a JSON `text` as JSON does, which keeps its meaning."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def storable(text: str) -> str:
    """Replace characters that no database stores by U+FFFD."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def visible(text: str, length: int) -> str:
    """Return at most `length` characters of `text`, with each invisible character escaped.

    For names: the result shows where two names differ only in invisible characters. Half of a
    surrogate pair, which no database stores, is escaped, too.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text[:length]
    )[:length]


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


class Escaping(logging.Formatter):
    """A formatter that writes each entry on one line and indents tracebacks.

    So foreign text cannot look like an entry or control a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        record = copy(record)  # Other handlers get the record unchanged.
        if record.exc_info:
            record.exc_text = None  # Another formatter may have cached this text without escapes.
        elif record.exc_text:
            record.exc_text = indented(record.exc_text)
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return one_line(super().formatMessage(record))

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802 - logging's name
        return indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        return indented(super().formatStack(stack_info))
