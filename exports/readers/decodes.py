"""Plain text, as `formats.kinds` says, of what a database gives: exactly, or an error.

SQLite keeps anything in a column of any type. What is not of its column's type would break a
line of CSV or be no JSON, so each value is looked at; a column at once where that is possible.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from exports.formats.kinds import Kind
from exports.formats.text import cell, dumps
from exports.readers.values import simple

Decode = Callable[[Any], Any]
# Makes a whole column, or says None if a value of it has to be looked at.
AtOnce = Callable[[Sequence[Any]], Sequence[str | None] | None]

_SHOWN = 80  # Characters of a value in a message.
_UUID = re.compile("([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
_UTC = "+00:00"
# Characters of a moment without and with that: in whole seconds, and in microseconds.
_LENGTHS = {False: {19, 26}, True: {25, 32}}
# A number that a double may not give back: one with many digits, or with an exponent.
_LONG_NUMBER = re.compile(r"\d{16}|\d\.\d{15}|\d[eE]")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|\s+|-?Infinity|NaN')


def _wrong(value: Any, wanted: str) -> ValueError:
    shown = repr(value)
    return ValueError(f"{shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'} is {wanted}")


def _of(types: tuple[type, ...], wanted: str) -> Decode:
    """The text of a value of these types, and an error for others."""

    def decode(value: Any) -> str:
        if not isinstance(value, types):
            raise _wrong(value, wanted)
        return cell(value)

    return decode


def _integer(value: Any) -> str:
    # Of another database's type: Django gives a real number in a column of integers, too.
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return str(value)
    raise _wrong(value, "no integer")


def _json(value: Any) -> str:
    return dumps(simple(value))


# By kind, where Django gives a Python object.
DECODES: dict[Kind, Decode] = {
    Kind.TEXT: _of((str,), "no text"),
    Kind.INTEGER: _integer,
    Kind.FLOAT: _of((float, int), "no number"),
    Kind.DECIMAL: _of((Decimal, int), "no decimal"),
    Kind.BOOLEAN: _of((bool,), "neither true nor false"),
    Kind.DATE: _of((datetime.date,), "no date"),
    Kind.DATETIME: _of((datetime.datetime,), "no date with a time"),
    Kind.TIME: _of((datetime.time,), "no time"),
    Kind.DURATION: _of((datetime.timedelta,), "no duration"),
    Kind.UUID: _of((uuid.UUID,), "no UUID"),
    Kind.BINARY: _of((bytes, memoryview), "not binary"),
    Kind.NESTED: _json,
    Kind.VALUE: simple,
}


# -- What SQLite makes the text of ---------------------------------------------------------


# As SQLite's numbers look when they are text.
_BOOLEANS = {"1": "true", "0": "false", "1.0": "true", "0.0": "false"}


def _boolean(text: str) -> str:
    made = _BOOLEANS.get(text)
    if made is None:
        raise _wrong(text, "neither true nor false")
    return made


def _date(text: str) -> str:
    day = parse_date(text)
    if day is None:
        raise _wrong(text, "no date")
    return day.isoformat()


def _moment(text: str) -> str:
    # The offset is what `dialects` has put behind what is stored, which may have its own.
    stored = text.removesuffix(_UTC) if settings.USE_TZ else text
    moment = parse_datetime(stored)
    if moment is None:
        raise _wrong(stored, "no date with a time")
    if not settings.USE_TZ:
        return moment.isoformat()
    if moment.tzinfo is None:
        return f"{moment.isoformat()}{_UTC}"
    return moment.astimezone(datetime.UTC).isoformat()


def _time(text: str) -> str:
    clock = parse_time(text)
    if clock is None:
        raise _wrong(text, "no time")
    return clock.isoformat()


def _uuid(text: str) -> str:
    found = _UUID.fullmatch(text)
    return "-".join(found.groups()) if found else str(uuid.UUID(text))


def _stored_json(text: str) -> str:
    made = dumps(json.loads(text))  # Raises ValueError for what is no JSON.
    return _respelled(text) if _LONG_NUMBER.search(text) else made


def _respelled(text: str) -> str:
    """The JSON `text` as `dumps` writes it, but with each number as it is stored."""

    def token(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] == '"':
            return dumps(json.loads(found, strict=False)) if "\\" in found else found
        return "" if found.isspace() else encode_basestring(found)

    return _TOKENS.sub(token, text)


STORED: dict[Kind, Decode] = {
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATETIME: _moment,
    Kind.TIME: _time,
    Kind.UUID: _uuid,
    Kind.NESTED: _stored_json,
}


# -- A column at once ------------------------------------------------------------------------


def _all_integers(values: Sequence[Any]) -> Sequence[str | None] | None:
    if not set(map(type, values)) <= {int, type(None)}:
        return None
    return [None if value is None else str(value) for value in values]


def _all_iso(kind: Any, values: Sequence[Any], end: int | None = None) -> bool:
    """Whether each is as `isoformat` writes it, up to its `end`, and so is what it says."""
    given = [value[:end] for value in set(values) if value is not None]
    try:
        return list(map(kind.isoformat, map(kind.fromisoformat, given))) == given
    except ValueError:
        return False


def _all_dates(values: Sequence[Any]) -> Sequence[str | None] | None:
    return values if _all_iso(datetime.date, values) else None


def _all_moments(values: Sequence[Any]) -> Sequence[str | None] | None:
    # Without the offset that `dialects` puts behind each: that takes half of the time.
    end = -len(_UTC) if settings.USE_TZ else None
    if not {len(value) for value in values if value is not None} <= _LENGTHS[settings.USE_TZ]:
        return None  # What is stored has an offset of its own, for one.
    return values if _all_iso(datetime.datetime, values, end) else None


def _all_times(values: Sequence[Any]) -> Sequence[str | None] | None:
    return values if _all_iso(datetime.time, values) else None


AT_ONCE: dict[Kind, AtOnce] = {
    Kind.INTEGER: _all_integers,
    Kind.DATE: _all_dates,
    Kind.DATETIME: _all_moments,
    Kind.TIME: _all_times,
}
