"""Decode what a database returns to plain text, exactly or with an error.

SQLite stores values of any type in any column. A value of a wrong type might break a line of CSV,
or might not be JSON. So each value is checked, and where possible a whole column together.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from json.encoder import encode_basestring
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from exports.formats.kinds import Kind
from exports.formats.text import cell, dumps, shortened_repr
from exports.readers.values import simple

Decode = Callable[[Any], Any]
# Decodes a whole column, or returns None if a value needs a check of its own.
DecodeColumn = Callable[[Sequence[Any]], Sequence[str | None] | None]

_UUID = re.compile("([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
_UTC = "+00:00"
# A number that a double may change: one with many digits, or with an exponent.
_LONG_NUMBER = re.compile(r"\d{16}|\d\.\d{15}|\d[eE]")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|\s+|-?Infinity|NaN')


def _wrong(value: Any, problem: str) -> ValueError:
    return ValueError(f"{shortened_repr(value)} is {problem}")


def _instance_of(types: tuple[type, ...], problem: str) -> Decode:
    """Return a decoder that accepts only values of these types."""

    def decode(value: Any) -> str:
        if not isinstance(value, types):
            raise _wrong(value, problem)
        return cell(value)

    return decode


def _integer(value: Any) -> str:
    # Another program may have stored a real number in a column of integers.
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return str(value)
    raise _wrong(value, "not an integer")


# The decoders of Python objects, as Django returns them.
DECODERS: dict[Kind, Decode] = {
    Kind.TEXT: _instance_of((str,), "not text"),
    Kind.INTEGER: _integer,
    Kind.FLOAT: _instance_of((float, int), "not a number"),
    Kind.DECIMAL: _instance_of((Decimal, int), "not a decimal"),
    Kind.BOOLEAN: _instance_of((bool,), "neither true nor false"),
    Kind.DATE: _instance_of((datetime.date,), "not a date"),
    Kind.DATETIME: _instance_of((datetime.datetime,), "not a date with a time"),
    Kind.TIME: _instance_of((datetime.time,), "not a time"),
    Kind.DURATION: _instance_of((datetime.timedelta,), "not a duration"),
    Kind.UUID: _instance_of((uuid.UUID,), "not a UUID"),
    Kind.BINARY: _instance_of((bytes, memoryview), "not binary"),
    Kind.NESTED: lambda value: dumps(simple(value)),
    Kind.VALUE: simple,
}


# -- Text that SQLite has written ----------------------------------------------------------


def _boolean(text: str) -> str:
    # SQLite stores booleans as numbers, which have these texts.
    written = {"1": "true", "0": "false", "1.0": "true", "0.0": "false"}.get(text)
    if written is None:
        raise _wrong(text, "neither true nor false")
    return written


def _parsed(parse: Callable[[str], Any], problem: str) -> Decode:
    """Return a decoder that normalizes a date or time to ISO 8601."""

    def decode(text: str) -> str:
        parsed = parse(text)
        if parsed is None:
            raise _wrong(text, problem)
        return str(parsed.isoformat())

    return decode


def _datetime(text: str) -> str:
    # `dialects` has appended this offset. The stored text may end with an offset of its own.
    stored = text.removesuffix(_UTC) if settings.USE_TZ else text
    parsed = parse_datetime(stored)
    if parsed is None:
        raise _wrong(stored, "not a date with a time")
    if not settings.USE_TZ:
        return parsed.isoformat()
    if parsed.tzinfo is None:
        return f"{parsed.isoformat()}{_UTC}"
    return parsed.astimezone(datetime.UTC).isoformat()


def _uuid(text: str) -> str:
    found = _UUID.fullmatch(text)
    return "-".join(found.groups()) if found else str(uuid.UUID(text))


def _stored_json(text: str) -> str:
    written = dumps(json.loads(text))  # Raises ValueError if it is not JSON.
    return _with_stored_numbers(text) if _LONG_NUMBER.search(text) else written


def _with_stored_numbers(text: str) -> str:
    """Return the JSON `text` as `dumps` writes it, but with each number as it is stored."""

    def token(match: re.Match[str]) -> str:
        found = match[0]
        if found[0] == '"':
            return dumps(json.loads(found, strict=False)) if "\\" in found else found
        return "" if found.isspace() else encode_basestring(found)

    return _TOKENS.sub(token, text)


STORED_DECODERS: dict[Kind, Decode] = {
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _parsed(parse_date, "not a date"),
    Kind.DATETIME: _datetime,
    Kind.TIME: _parsed(parse_time, "not a time"),
    Kind.UUID: _uuid,
    Kind.NESTED: _stored_json,
}


# -- Whole columns ---------------------------------------------------------------------------


def _integers(values: Sequence[Any]) -> Sequence[str | None] | None:
    if not set(map(type, values)) <= {int, type(None)}:
        return None
    return [None if value is None else str(value) for value in values]


def _iso(kind: Any, values: Sequence[Any], end: int | None = None) -> Sequence[Any] | None:
    """Return `values` if each of them, up to `end`, is exactly the text that `isoformat` writes."""
    given = [value[:end] for value in set(values) if value is not None]
    try:
        is_iso = list(map(kind.isoformat, map(kind.fromisoformat, given))) == given
    except ValueError:
        return None
    return values if is_iso else None


def _datetimes(values: Sequence[Any]) -> Sequence[Any] | None:
    # `dialects` has appended this offset. Parsing it as well would double the time.
    offset = len(_UTC) if settings.USE_TZ else 0
    lengths = {len(value) for value in values if value is not None}
    # Other lengths need a check of their own, for example a stored text with its own offset.
    if not lengths <= {19 + offset, 26 + offset}:
        return None
    return _iso(datetime.datetime, values, -offset or None)


COLUMN_DECODERS: dict[Kind, DecodeColumn] = {
    Kind.INTEGER: _integers,
    Kind.DATE: partial(_iso, datetime.date),
    Kind.DATETIME: _datetimes,
    Kind.TIME: partial(_iso, datetime.time),
}
