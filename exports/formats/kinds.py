"""What a column holds, and how its values are written as plain text.

Readers give pages: for each column a list of its values, all lists of the same length, one
entry a row. A value is plain text in the form of its kind, or None where there is nothing;
only a column of the kind VALUE has Python objects. Writers make of that what their format
wants. So the database may make the text where its text is exact, and is asked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

# One list a column. Text and None; anything at all in a column of the kind VALUE.
Page = Sequence[Sequence[Any]]


class KeyedPage(list[Sequence[Any]]):
    """A page that knows the primary keys of its rows, to name one of them."""

    def __init__(self, columns: Sequence[Sequence[Any]], keys: Sequence[Any]) -> None:
        super().__init__(columns)
        self.keys = keys


class Kind(Enum):
    TEXT = auto()  # Whatever people write: the only kind that may look like a formula.
    INTEGER = auto()  # -12
    FLOAT = auto()  # 0.1, 1e-07; the fewest digits that give it back. NaN, Infinity, -Infinity
    DECIMAL = auto()  # 1.50, with its digits and without an exponent. NaN
    BOOLEAN = auto()  # true, false
    DATE = auto()  # 2013-01-31
    DATETIME = auto()  # 2013-01-31T10:00:00.5+00:00; in UTC, or without an offset if it has none
    TIME = auto()  # 10:00:00.5
    DURATION = auto()  # P1DT3600S, -P0DT0.500000S: days and seconds, of ISO 8601
    UUID = auto()  # 0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10
    BINARY = auto()  # 00ff: hexadecimal
    NESTED = auto()  # {"a": [1]}: JSON
    VALUE = auto()  # A Python object of any type, from a function of the exporter's.


@dataclass(frozen=True)
class Field:
    """A column of a file."""

    header: str
    kind: Kind
    # Of a DECIMAL: how many digits there may be, and how many of them after the point.
    digits: int | None = None
    places: int | None = None
    # Of an INTEGER: how many bits hold all of its values. 64 where that is not known.
    bits: int = 64
