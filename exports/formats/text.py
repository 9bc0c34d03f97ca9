"""Values as text, the same in every text format."""

from __future__ import annotations

import datetime
import json
import math
import re
from decimal import Decimal
from typing import Any

MAX_REPR = 80  # Characters of a value in an error message. A text may have millions.
_SURROGATE = re.compile("[\ud800-\udfff]")


def shortened_repr(value: Any) -> str:
    """Return the beginning of `repr(value)`, for an error message."""
    full = repr(value)
    return full if len(full) <= MAX_REPR else f"{full[:MAX_REPR]}…"


def plain(value: Any) -> Any:
    """Return `value` unchanged if JSON has its type, and as text otherwise.

    Dates and times are ISO 8601, with their offset. Decimals keep their digits, and bytes are
    hexadecimal.
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
    """Return `value` as the text of one cell; "" for None."""
    match plain(value):
        case None:
            return ""
        case bool(truth):
            return "true" if truth else "false"
        case list() | tuple() | dict() as nested:
            return dumps(nested)
        case float(number) if not math.isfinite(number):
            return _not_finite(number)
        case shown:
            return str(shown)


def dumps(value: Any) -> str:
    """Return `value` as JSON on one line, without escaping letters outside of ASCII."""
    try:
        return _encode(value)
    except ValueError:
        # JSON has no infinity and no NaN, and most readers refuse the words that Python writes.
        return _encode(_finite(value))


def _encode(value: Any) -> str:
    return escape_surrogates(
        json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain, allow_nan=False)
    )


def escape_surrogates(json_text: str) -> str:
    """Escape halves of surrogate pairs as in JSON, because UTF-8 cannot encode them."""
    if json_text.isascii():
        return json_text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text)


def _finite(value: Any) -> Any:
    """Return `value` with infinity and NaN as text, also inside of lists and dictionaries."""
    match value:
        case float() if not math.isfinite(value):
            return _not_finite(value)
        case list() | tuple():
            return [_finite(each) for each in value]
        case dict():
            return {key: _finite(each) for key, each in value.items()}
    return value


def _not_finite(number: float) -> str:
    """Return an infinity or NaN as PostgreSQL writes it."""
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _duration(value: datetime.timedelta) -> str:
    """Return an ISO 8601 duration in days and seconds, like P1DT3600S."""
    sign = "-" if value < datetime.timedelta() else ""
    value = abs(value)
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}P{value.days}DT{value.seconds}{fraction}S"
