"""How values look as text, the same in every text format."""

from __future__ import annotations

import datetime
import json
import math
import re
from decimal import Decimal
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def plain(value: Any) -> Any:
    """`value` as JSON's own types where it has one, else as text.

    Times are ISO 8601 with their offset, decimals keep their digits, bytes are hexadecimal.
    """
    match value:
        case None | bool() | int() | float() | str() | list() | tuple() | dict():
            return value
        case Decimal():
            return format(value, "f")
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return _duration(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
    return str(value)


def cell(value: Any) -> str:
    """`value` as the text of one cell; nothing for None."""
    match plain(value):
        case None:
            return ""
        case bool(truth):
            return "true" if truth else "false"
        case list() | tuple() | dict() as nested:
            return dumps(nested)
        case float(number) if not math.isfinite(number):
            return _word(number)
        case shown:
            return str(shown)


def dumps(value: Any) -> str:
    """JSON on one line, with characters as they are."""
    try:
        return _encode(value)
    except ValueError:
        # JSON has no infinity and no NaN; most readers refuse the words that Python writes.
        return _encode(_finite(value))


def _encode(value: Any) -> str:
    return escape_surrogates(
        json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain, allow_nan=False)
    )


def escape_surrogates(made: str) -> str:
    """JSON with halves of surrogate pairs as JSON can spell them: UTF-8 cannot."""
    if made.isascii():
        return made
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", made)


def _finite(value: Any) -> Any:
    """`value` with each number that is none as text."""
    match value:
        case float() if not math.isfinite(value):
            return _word(value)
        case list() | tuple():
            return [_finite(each) for each in value]
        case dict():
            return {key: _finite(each) for key, each in value.items()}
    return value


def _word(number: float) -> str:
    """What is no number, as PostgreSQL writes it."""
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _duration(value: datetime.timedelta) -> str:
    """ISO 8601 in days and seconds: P1DT3600S."""
    sign = "-" if value < datetime.timedelta() else ""
    value = abs(value)
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}P{value.days}DT{value.seconds}{fraction}S"
