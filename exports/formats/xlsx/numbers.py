"""Numbers and times in cells.

A value becomes text if a double or Excel's calendar cannot hold it, or if it does not have the form
of its kind. So nothing is rounded, and one odd value does not fail the export.
"""

from __future__ import annotations

import datetime
import math
import re
import sys
from collections import deque
from typing import TYPE_CHECKING

from exports.formats.xlsx.styles import Style
from exports.formats.xlsx.text import EMPTY, text

if TYPE_CHECKING:
    from collections.abc import Sequence

# The significant digits that a double always keeps.
_DIGITS = sys.float_info.dig

# Day 0 of Excel's calendar. Excel believes in 29 February 1900, so its earlier days are wrong.
_EPOCH = datetime.datetime(1899, 12, 30)  # noqa: DTZ001 - a wall clock, as in the cell
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.UTC)
_FIRST = datetime.timedelta(days=61)  # 1900-03-01
# Excel rounds to milliseconds. It would round a time within the last millisecond of a day, or of
# the year 9999, to the next one. Programs often write 23:59:59.999999 for the end of a day.
_LAST = datetime.timedelta(days=2_958_466) - datetime.timedelta(milliseconds=1)

_SECOND = 1_000_000  # In microseconds.
_DAY = 86_400 * _SECOND
_LAST_TIME = _DAY - 1_000
# A fraction of a day is computed in units of this: with more digits than a double has.
_ONE = 10**20

_DECIMAL = re.compile(r"-?(\d+)(?:\.(\d+))?", re.ASCII)
_FLOAT = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?", re.ASCII)
_PERIOD = re.compile(r"P(\d+)DT(\d+)(?:\.(\d{1,6}))?S", re.ASCII)

# The beginning of a cell, after its address: without and with a fraction of a second.
_DATE = (f' s="{Style.DATE:d}"><v>',) * 2
_DATETIME = (f' s="{Style.DATETIME:d}"><v>', f' s="{Style.DATETIME_MS:d}"><v>')
_TIME = (f' s="{Style.TIME:d}"><v>', f' s="{Style.TIME_MS:d}"><v>')
_DURATION = (f' s="{Style.DURATION:d}"><v>', f' s="{Style.DURATION_MS:d}"><v>')
_BOOLEANS = {"true": ' t="b"><v>1</v></c>', "false": ' t="b"><v>0</v></c>'}


def boolean(value: str) -> str:
    return _BOOLEANS.get(value) or text(value)


def decimal(value: str) -> str:
    """Return an INTEGER or DECIMAL: as a number if a double keeps all of its digits."""
    parts = _DECIMAL.fullmatch(value)
    if parts is None:
        return text(value)
    digits = f"{parts[1]}{parts[2] or ''}".strip("0")
    exact = len(digits) <= _DIGITS and (not digits or _is_normal(float(value)))
    return _number(value) if exact else text(value)


def decimals(values: Sequence[str | None]) -> Sequence[str]:
    """Return a column of `decimal` cells. It is faster if no value is too long for a double."""
    present = list(filter(None, values))
    if max(map(len, present), default=0) <= _DIGITS and _are_numbers(present, b"0123456789-."):
        return [_number(value) if value else EMPTY for value in values]
    return [decimal(value) if value else EMPTY for value in values]


def double(value: str) -> str:
    """Return a FLOAT: as a number, unless Excel has no such number."""
    if not _FLOAT.fullmatch(value):
        return text(value)  # NaN or an infinity.
    number = float(value)
    return _number(value) if number == 0 or _is_normal(number) else text(value)


def doubles(values: Sequence[str | None]) -> Sequence[str]:
    """Return a column of `double` cells. It is faster without infinity, NaN and 1e-300."""
    present = list(filter(None, values))
    if "e-3" not in "".join(present) and _are_numbers(present, b"0123456789-.e+"):
        return [_number(value) if value else EMPTY for value in values]
    return [double(value) if value else EMPTY for value in values]


def date(value: str) -> str:
    return moment(value, _DATE)


def moment(value: str, style: tuple[str, str] = _DATETIME) -> str:
    """Return a DATETIME: in UTC if it has an offset, and as it is otherwise."""
    try:
        given = datetime.datetime.fromisoformat(value)
    except ValueError:
        return text(value)  # For example, a year that Python does not support.
    since = given - (_EPOCH if given.tzinfo is None else _EPOCH_UTC)
    if not _FIRST <= since <= _LAST:
        return text(value)
    return _days(since.days, since.seconds * _SECOND + since.microseconds, style)


def time(value: str) -> str:
    try:
        given = datetime.time.fromisoformat(value)
    except ValueError:
        return text(value)
    seconds = (given.hour * 60 + given.minute) * 60 + given.second
    since = seconds * _SECOND + given.microsecond
    # Excel's times have no offset.
    return _days(0, since, _TIME) if given.tzinfo is None and since <= _LAST_TIME else text(value)


def duration(value: str) -> str:
    """Return a DURATION. A negative one is text, because Excel would show it as "#####"."""
    parts = _PERIOD.fullmatch(value)
    if parts is None:
        return text(value)
    fraction = int(parts[3].ljust(6, "0")) if parts[3] else 0
    days, rest = divmod(int(parts[2]) * _SECOND + fraction, _DAY)
    days += int(parts[1])
    return _days(days, rest, _DURATION) if days <= _LAST.days else text(value)


def _days(days: int, microseconds: int, style: tuple[str, str]) -> str:
    """Return a time as Excel stores it: in days with a fraction."""
    opening = style[microseconds % _SECOND != 0]
    if not microseconds:
        return f"{opening}{days}</v></c>"
    # Integers are exact, and faster than formatting a double.
    digits = str(_ONE + microseconds * _ONE // _DAY)[1:]
    return f"{opening}{days}.{digits}</v></c>"


def _number(value: str) -> str:
    return f"><v>{value}</v></c>"


def _are_numbers(values: Sequence[str], characters: bytes) -> bool:
    """Return whether each value is a number with only these characters.

    It may be any text, because SQLite stores values of any type in any column.
    """
    if "".join(values).encode(errors="replace").translate(None, characters):
        return False
    try:
        deque(map(float, values), maxlen=0)
    except ValueError:
        return False
    return True


def _is_normal(number: float) -> bool:
    """Return whether `number` is finite and not subnormal: Excel rounds subnormals to 0."""
    return math.isfinite(number) and abs(number) >= sys.float_info.min
