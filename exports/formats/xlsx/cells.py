"""Convert values to cells, one column at a time.

A cell does not contain its address, which `rows` writes in front of it. So equal values have equal
cells. Values repeat in many columns (a carrier, a day, an hour), and such cells are cached.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from exports.formats.kinds import Kind
from exports.formats.lines import TextCache
from exports.formats.text import cell as as_text
from exports.formats.xlsx import numbers
from exports.formats.xlsx.text import EMPTY, PLAIN, plain_texts, protected, text

Cell = Callable[[str], str]
Column = Callable[[Sequence[Any]], Sequence[str]]
FastColumn = Callable[[Sequence[str | None]], Sequence[str] | None]

# Longer texts seldom repeat, and would fill the memory.
LONGEST_CACHED = 100
_UUID_CHARACTERS = b"0123456789abcdef-"

# The number of values that shows whether the values of a column repeat.
SAMPLE = 500

_CELLS: dict[Kind, Cell] = {
    Kind.TEXT: text,
    Kind.INTEGER: numbers.decimal,
    Kind.FLOAT: numbers.double,
    Kind.DECIMAL: numbers.decimal,
    Kind.BOOLEAN: numbers.boolean,
    Kind.DATE: numbers.date,
    Kind.DATETIME: numbers.moment,
    Kind.TIME: numbers.time,
    Kind.DURATION: numbers.duration,
    Kind.UUID: text,
    Kind.BINARY: text,
    Kind.NESTED: text,
}
# The kind for each type of Python object. The order matters: a bool is an int, and a datetime is
# a date.
_KINDS: tuple[tuple[type | tuple[type, ...], Kind], ...] = (
    (str, Kind.TEXT),
    (bool, Kind.BOOLEAN),
    (int, Kind.INTEGER),
    (float, Kind.FLOAT),
    (Decimal, Kind.DECIMAL),
    (datetime.datetime, Kind.DATETIME),
    (datetime.date, Kind.DATE),
    (datetime.time, Kind.TIME),
    (datetime.timedelta, Kind.DURATION),
    (uuid.UUID, Kind.UUID),
    ((bytes, bytearray, memoryview), Kind.BINARY),
    ((list, dict), Kind.NESTED),
)


def column(kind: Kind, *, protect: bool) -> Column:
    """Return the function that converts the values of a column. It raises TooLongError."""
    cells = _CELLS | {Kind.TEXT: protected} if protect else _CELLS
    match kind:
        case Kind.INTEGER | Kind.DECIMAL:
            return numbers.decimals
        case Kind.FLOAT:
            return numbers.doubles
        case Kind.UUID:
            return _uuids
        case Kind.VALUE:
            return lambda values: [_of_any_type(value, cells) for value in values]
        case Kind.TEXT | Kind.BINARY | Kind.NESTED:
            return _cached(cells[kind], plain_texts)
    return _cached(cells[kind])


def _cached(cell: Cell, fast: FastColumn | None = None) -> Column:
    """Return a column function that caches the cells of values that repeat.

    When nearly all values differ, it uses `fast` instead, unless that returns None.
    """
    cache = TextCache(lambda value: (cell(value), len(value) <= LONGEST_CACHED), none=EMPTY)

    def cells(values: Sequence[str | None]) -> Sequence[str]:
        sample = values[:SAMPLE]
        if len(set(sample)) < 0.9 * len(sample):
            return list(map(cache.__getitem__, values))
        made = fast(values) if fast else None
        return made or [cell(value) if value else EMPTY for value in values]

    return cells


def _uuids(values: Sequence[str | None]) -> Sequence[str]:
    if "".join(filter(None, values)).encode(errors="replace").translate(None, _UUID_CHARACTERS):
        return [text(value) if value else EMPTY for value in values]
    # Hexadecimal needs no escapes, and a UUID hardly ever repeats.
    return [f"{PLAIN}<is><t>{value}</t></is></c>" if value else EMPTY for value in values]


def _of_any_type(value: Any, cells: dict[Kind, Cell]) -> str:
    if value is None:
        return EMPTY
    kind = next((kind for types, kind in _KINDS if isinstance(value, types)), Kind.TEXT)
    return cells[kind](as_text(value))
