"""The kinds of columns, and the plain text in which readers pass values to writers.

Readers return pages: one list of values for each column, with one entry for each row. A value is
plain text in the form of its kind, or None. Only a column of kind VALUE has Python objects. Each
writer converts the text to what its format needs. Because the form is text, the database can write
most values itself, which is far faster than creating Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

# One list for each column.
Page = Sequence[Sequence[Any]]


class KeyedPage(list[Sequence[Any]]):
    """A page with the primary keys of its rows, so that an error can name a row."""

    def __init__(self, columns: Sequence[Sequence[Any]], keys: Sequence[Any]) -> None:
        super().__init__(columns)
        self.keys = keys


class Kind(Enum):
    TEXT = auto()  # Text that people wrote: the only kind that may look like a formula.
    INTEGER = auto()  # -12
    FLOAT = auto()  # 0.1 or 1e-07: the shortest text of the same double. NaN, Infinity, -Infinity
    DECIMAL = auto()  # 1.50, with all its digits and without an exponent. NaN
    BOOLEAN = auto()  # true or false
    DATE = auto()  # 2013-01-31
    DATETIME = auto()  # 2013-01-31T10:00:00.5+00:00, in UTC; without an offset if it has none
    TIME = auto()  # 10:00:00.5
    DURATION = auto()  # P1DT3600S or -P0DT0.500000S: ISO 8601 in days and seconds
    UUID = auto()  # 0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10
    BINARY = auto()  # 00ff: hexadecimal
    NESTED = auto()  # {"a": [1]}: JSON
    VALUE = auto()  # A Python object of any type, for example from a Python column.


@dataclass(frozen=True)
class Field:
    """A column of a file."""

    header: str
    kind: Kind
    # For a DECIMAL: the most digits, and how many of them are after the point. None: unknown.
    digits: int | None = None
    places: int | None = None
    # For an INTEGER: the bits that hold all of its values; 64 if the size is unknown.
    bits: int = 64
