"""Python's objects as the few types that writers know: what a person would expect to read.

A value comes from a function of the exporter's, or from a field that is not Django's own. It
becomes None, a bool, a number, a text, a date or time, bytes, or a list or dict of such.
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

_AS_IS = frozenset({type(None), bool, float, str, Decimal, uuid.UUID, bytes})
_TIMES = (datetime.date, datetime.time, datetime.timedelta, Decimal, uuid.UUID)
_LISTS = (list, tuple, deque, ValuesView, Iterator, QuerySet)
# What Python says of an object that has no text of its own.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


def simple(value: Any) -> Any:
    """`value` as one of the simple types. Raises an error for one that has no text of its own."""
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind is int:
        str(value)  # Raises ValueError for more digits than Python writes.
        return value
    return _simplified(value)


def _simplified(value: Any) -> Any:
    """The same of what is of another type, or of a subclass."""
    if isinstance(value, _TIMES):
        return value
    if isinstance(value, Enum):  # Before text and numbers: a member may be one as well.
        return simple(value.value)
    if isinstance(value, int | float):
        return simple(int(value) if isinstance(value, int) else float(value))
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return _nested(value) if _is_nested(value) else _text(value)


def _is_nested(value: Any) -> bool:
    if isinstance(value, (Mapping, AbstractSet, *_LISTS)):
        return True
    return _is_array(value) or (is_dataclass(value) and type(value).__str__ is object.__str__)


def _nested(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_key(key): simple(each) for key, each in value.items()}
    if isinstance(value, AbstractSet):
        return [simple(each) for each in _sorted(value)]
    if isinstance(value, _LISTS):
        made = map(simple, value)
        return tuple(made) if isinstance(value, tuple) else list(made)
    if _is_array(value):
        return simple(value.tolist())
    return {field.name: simple(getattr(value, field.name)) for field in fields(value)}


def _is_array(value: Any) -> bool:
    """Whether it is an array or a number of NumPy's, but no time: that loses its unit."""
    return (
        hasattr(value, "tolist")
        and getattr(value, "dtype", None) is not None
        and (getattr(value.dtype, "kind", "") not in "Mm")
    )


def _sorted(values: AbstractSet[Any]) -> list[Any]:
    """In an order that is the same each time, as no set has by itself."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _key(key: Any) -> Any:
    made = simple(key)
    return made if isinstance(made, str) else cell(made) if made is not None else "null"


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
    """As PostgreSQL writes it: [1,10)."""
    if value.isempty:
        return "empty"
    bounds = value.bounds or "[)"
    return f"{bounds[0]}{cell(value.lower)},{cell(value.upper)}{bounds[1]}"
