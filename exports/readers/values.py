"""Simplify Python objects to the few types that writers know.

The values come from functions of Python columns and from fields that are not Django's own. They
become None, a bool, a number, a text, a date or time, bytes, or a list or dict of these.
`docs/field-types.md` has the table.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from django.db.models import QuerySet
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from exports.formats.text import cell

# Values of exactly these types are returned unchanged.
_AS_IS = frozenset({type(None), bool, float, str, Decimal, uuid.UUID, bytes})
# So are values of these types and of their subclasses.
_AS_IS_BASES = (datetime.date, datetime.time, datetime.timedelta, Decimal, uuid.UUID)
_LISTS = (list, deque, ValuesView, Iterator, QuerySet)
# The default text of an object, which says nothing about its value.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


def simple(value: Any) -> Any:
    """Return `value` as one of the simple types. Raise an error if no text represents it."""
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind is int:
        str(value)  # Raises ValueError for more digits than Python writes.
        return value
    if isinstance(value, _AS_IS_BASES):
        return value
    if isinstance(value, Enum):  # Before other types: a member may also be a text or a number.
        return simple(value.value)
    return _simplified(value)


def _simplified(value: Any) -> Any:
    match value:
        case int():
            return simple(int(value))
        case float():
            return float(value)
        case bytearray() | memoryview():
            return bytes(value)
    return simple(value.tolist()) if _is_array(value) else _nested(value)


def _nested(value: Any) -> Any:
    match value:
        case Mapping():
            return {_key(key): simple(each) for key, each in value.items()}
        case AbstractSet():
            return list(map(simple, _sorted(value)))
        case tuple():
            return tuple(map(simple, value))
        case _ if isinstance(value, _LISTS):
            return list(map(simple, value))
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        return {field.name: simple(getattr(value, field.name)) for field in fields(value)}
    return _text(value)


def _is_array(value: Any) -> bool:
    """Return whether `value` is from NumPy, but not a time: its unit would be lost."""
    dtype = getattr(value, "dtype", None)
    return hasattr(value, "tolist") and dtype is not None and getattr(dtype, "kind", "") not in "Mm"


def _sorted(values: AbstractSet[Any]) -> list[Any]:
    """Return the values of a set in the same order each time."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _key(key: Any) -> str:
    """Return the key of a dict as text, because keys in JSON are texts."""
    simple_key = simple(key)
    if simple_key is None:
        return "null"
    return simple_key if isinstance(simple_key, str) else cell(simple_key)


def _text(value: Any) -> str:
    if isinstance(value, Range):
        return _range(value)
    if isinstance(value, Multirange):
        return "{" + ",".join(map(_range, value)) + "}"
    text = str(value)
    if _ADDRESS.search(text):
        raise TypeError(f"a value of the type {type(value).__name__} has no text of its own")
    return text


def _range(value: Range[Any]) -> str:
    """Return a range as PostgreSQL writes it, like [1,10)."""
    if value.isempty:
        return "empty"
    bounds = value.bounds or "[)"
    return f"{bounds[0]}{cell(value.lower)},{cell(value.upper)}{bounds[1]}"
