"""Numbers and times in a cell.

What a double, or Excel's calendar, cannot hold becomes text; so does what is not in the form of
its kind. Nothing is rounded, and one odd value spoils no file.
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

# So many significant digits come out of a double as they went in.
_DIGITS = sys.float_info.dig

# Day 0 of Excel's calendar, and the days that it has right: it believes in 29 February 1900.
_EPOCH = datetime.datetime(1899, 12, 30)  # noqa: DTZ001 - a wall clock, as in the cell
_EPOCH_UTC = _EPOCH.replace(tzinfo=datetime.UTC)
_FIRST = datetime.timedelta(days=61)  # 1900-03-01
# What is shown is rounded to milliseconds. Within the last one of a day, or of 9999, it would be
# rounded out of it: 23:59:59.999999, which programs like to write for "the end".
_LAST = datetime.timedelta(days=2_958_466) - datetime.timedelta(milliseconds=1)

_SECOND = 1_000_000  # In microseconds.
_DAY = 86_400 * _SECOND
_LAST_TIME = _DAY - 1_000
# One, as a fraction of a day is written: with at least the digits of a double, also for a second.
_ONE = 10**20

_DECIMAL = re.compile(r"-?(\d+)(?:\.(\d+))?", re.ASCII)
_FLOAT = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?", re.ASCII)
_PERIOD = re.compile(r"P(\d+)DT(\d+)(?:\.(\d{1,6}))?S", re.ASCII)

# How a cell goes on behind its address, without and with a fraction of a second.
_DATE = (f' s="{Style.DATE:d}"><v>',) * 2
_DATETIME = (f' s="{Style.DATETIME:d}"><v>', f' s="{Style.DATETIME_MS:d}"><v>')
_TIME = (f' s="{Style.TIME:d}"><v>', f' s="{Style.TIME_MS:d}"><v>')
_DURATION = (f' s="{Style.DURATION:d}"><v>', f' s="{Style.DURATION_MS:d}"><v>')
_BOOLEANS = {"true": ' t="b"><v>1</v></c>', "false": ' t="b"><v>0</v></c>'}


def boolean(value: str) -> str:
    return _BOOLEANS.get(value) or text(value)


def decimal(value: str) -> str:
    """An INTEGER or a DECIMAL: a number if it has no more digits than a double keeps."""
    parts = _DECIMAL.fullmatch(value)
    if parts is None:
        return text(value)
    digits = f"{parts[1]}{parts[2] or ''}".strip("0")
    exact = len(digits) <= _DIGITS and (not digits or _is_normal(float(value)))
    return _number(value) if exact else text(value)


def decimals(values: Sequence[str | None]) -> Sequence[str]:
    """The same of a whole column, at once if nothing in it can be too long."""
    given = list(filter(None, values))
    if max(map(len, given), default=0) <= _DIGITS and _are_numbers(given, b"0123456789-."):
        return [_number(value) if value else EMPTY for value in values]
    return [decimal(value) if value else EMPTY for value in values]


def floating(value: str) -> str:
    """A FLOAT is a double, so it is a number unless it is none."""
    if not _FLOAT.fullmatch(value):
        return text(value)  # NaN, Infinity
    number = float(value)
    return _number(value) if number == 0 or _is_normal(number) else text(value)


def floatings(values: Sequence[str | None]) -> Sequence[str]:
    """The same of a whole column, at once if there is no NaN, no Infinity and no 1e-300."""
    given = list(filter(None, values))
    if "e-3" not in "".join(given) and _are_numbers(given, b"0123456789-.e+"):
        return [_number(value) if value else EMPTY for value in values]
    return [floating(value) if value else EMPTY for value in values]


def date(value: str) -> str:
    return moment(value, _DATE)


def moment(value: str, style: tuple[str, str] = _DATETIME) -> str:
    """A DATETIME, by the clock of UTC if it has an offset."""
    try:
        given = datetime.datetime.fromisoformat(value)
    except ValueError:
        return text(value)  # A year that Python does not count to, for one.
    since = given - (_EPOCH if given.tzinfo is None else _EPOCH_UTC)
    if not _FIRST <= since <= _LAST:
        return text(value)
    return _days(since.days, since.seconds * _SECOND + since.microseconds, style)


def time(value: str) -> str:
    try:
        clock = datetime.time.fromisoformat(value)
    except ValueError:
        return text(value)
    seconds = (clock.hour * 60 + clock.minute) * 60 + clock.second
    since = seconds * _SECOND + clock.microsecond
    # A fraction of a day has no place for an offset.
    return _days(0, since, _TIME) if clock.tzinfo is None and since <= _LAST_TIME else text(value)


def duration(value: str) -> str:
    """A DURATION. A negative one is text: Excel shows it as "#####"."""
    parts = _PERIOD.fullmatch(value)
    if parts is None:
        return text(value)
    fraction = int(parts[3].ljust(6, "0")) if parts[3] else 0
    days, rest = divmod(int(parts[2]) * _SECOND + fraction, _DAY)
    days += int(parts[1])
    return _days(days, rest, _DURATION) if days <= _LAST.days else text(value)


def _days(days: int, microseconds: int, style: tuple[str, str]) -> str:
    """A time as Excel counts it: in days, with a fraction."""
    opening = style[microseconds % _SECOND != 0]
    if not microseconds:
        return f"{opening}{days}</v></c>"
    # In integers: it is exact, and faster than finding the shortest digits of a double.
    digits = str(_ONE + microseconds * _ONE // _DAY)[1:]
    return f"{opening}{days}.{digits}</v></c>"


def _number(value: str) -> str:
    return f"><v>{value}</v></c>"


def _are_numbers(values: Sequence[str], characters: bytes) -> bool:
    """Whether each is a number, in these characters: SQLite keeps anything in any column."""
    if "".join(values).encode(errors="replace").translate(None, characters):
        return False
    try:
        deque(map(float, values), maxlen=0)
    except ValueError:
        return False
    return True


def _is_normal(number: float) -> bool:
    """Excel makes 0 of what is smaller."""
    return math.isfinite(number) and abs(number) >= sys.float_info.min
