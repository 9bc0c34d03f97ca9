"""Numbers, times and texts of a page, in the reader's language.

`static/exports/lib/format.js` formats the same values when they change on an open page. Both must
agree: tests/js/exports/format_cases.json has the expected texts for each language of the pages.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from exports.i18n.numbers import number
from exports.status import Stage, Status

if TYPE_CHECKING:
    from datetime import datetime

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
KILOBYTE = 1024

# After this many seconds without a report of the worker, a page hides the rate and the time left.
# Reports come four times a second, or every few seconds if the database is slow.
SILENT_SECONDS = 10


def date_time(value: datetime) -> str:
    """Return a date and time: "Nov 28, 2025, 6:44 AM", in German "28.11.2025, 06:44".

    Django's DATETIME_FORMAT ends in "a.m.", which would give a sentence two full stops.
    """
    return date_format(value, pgettext("a format for Django's filter date", "M j, Y, g:i A"))


def duration(seconds: float) -> str:
    """Return `seconds` in at most two units, rounded up, so that estimates do not end too early."""
    whole = max(1, math.ceil(seconds))
    for big, big_text, small, small_text in (
        (86400, _days, 3600, _hours),
        (3600, _hours, 60, _minutes),
        (60, _minutes, 1, _seconds),
    ):
        if whole >= big:
            head, tail = big_text(whole // big), whole % big // small
            return f"{head} {small_text(tail)}" if tail else head
    return _seconds(whole)


# The short forms of CLDR, which browsers use as well.
def _days(count: int) -> str:
    return _unbroken(ngettext("%d day", "%d days", count) % count)


def _hours(count: int) -> str:
    return _unbroken(_("%d hr") % count)


def _minutes(count: int) -> str:
    return _unbroken(_("%d min") % count)


def _seconds(count: int) -> str:
    return _unbroken(_("%d sec") % count)


def _percents(share: int) -> str:
    return _unbroken(_("%d%%") % share)


def _size(count: int) -> str | None:
    """Return the size as text; None below 1 KB, so that a page shows no size when a file begins."""
    return filesizeformat(count) if count >= KILOBYTE else None


def _unbroken(text: str) -> str:
    return text.replace(" ", NO_BREAK_SPACE)


def percent(snapshot: dict[str, Any]) -> int | None:
    """Return whole percents; None if the total is unknown.

    100 means that all parts are written, even if rows were removed meanwhile.
    """
    done, total = snapshot["rows_done"], snapshot["rows_total"]
    if total is None:
        return None
    return 100 if done >= total or _is_extracted(snapshot) else int(100 * done // total)


def _is_extracted(snapshot: dict[str, Any]) -> bool:
    return bool(snapshot["stage"] == Stage.ASSEMBLING or snapshot["status"] == Status.SUCCEEDED)


def difference(snapshot: dict[str, Any]) -> str:
    """Explain why the finished file does not have as many rows as were counted; "" if it has."""
    added, removed = snapshot["rows_added"], snapshot["rows_removed"]
    if added and removed:
        pattern = _(
            "Rows counted: {counted}. Rows in the file: {written}. "
            "Added while the export ran: {added}. Removed: {removed}."
        )
    elif added:
        pattern = ngettext(
            "Rows counted: {counted}. Rows in the file: {written}. "
            "{added} row was added while the export ran.",
            "Rows counted: {counted}. Rows in the file: {written}. "
            "{added} rows were added while the export ran.",
            added,
        )
    elif removed:
        pattern = ngettext(
            "Rows counted: {counted}. Rows in the file: {written}. "
            "{removed} row was removed while the export ran.",
            "Rows counted: {counted}. Rows in the file: {written}. "
            "{removed} rows were removed while the export ran.",
            removed,
        )
    else:
        return ""
    return pattern.format(
        counted=number(snapshot["rows_total"]),
        written=number(snapshot["rows_done"]),
        added=number(added),
        removed=number(removed),
    )


def values(snapshot: dict[str, Any], silence: float = 0) -> dict[str, str | None]:
    """Return the value of each placeholder in the texts of a page.

    A text with a placeholder whose value is None is not shown: see `fill`. `silence` is the
    number of seconds since the worker's last report. After SILENT_SECONDS the rate and the time
    left are unknown.
    """
    share = percent(snapshot)
    done, total, again = snapshot["rows_done"], snapshot["rows_total"], snapshot["rows_again"]
    file, is_silent = snapshot["assembled"], silence >= SILENT_SECONDS
    return {
        "label": snapshot["label"],
        "rows_done": number(done),
        "rows_total": None if total is None else number(total),
        "rows_so_far": number(done) if total is None and done else None,
        "rows_again": number(again) if again else None,
        "percent": None if share is None else _percents(share),
        "assembled": None if file is None else _percents(int(100 * file)),
        "size": _size(snapshot["bytes"]),
        "rate": number(snapshot["rate"]) if snapshot["rate"] and not is_silent else None,
        "eta": duration(snapshot["eta"]) if snapshot["eta"] and not is_silent else None,
        "silence": duration(math.floor(silence)) if is_silent else None,
    }


def fill(pattern: str, known: dict[str, str | None]) -> str:
    """Fill the placeholders of `pattern` ("about {eta} left"); return "" if a value is None."""
    names = re.findall(r"\{(\w+)\}", pattern)
    if any(known.get(name) is None for name in names):
        return ""
    return re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), pattern)


def bar(snapshot: dict[str, Any]) -> tuple[float, float] | None:
    """Return `(maximum, value)` of the progress bar; None if they are unknown."""
    if snapshot["stage"] == Stage.ASSEMBLING:
        return 1, snapshot["assembled"]
    if snapshot["status"] == Status.SUCCEEDED:
        return 1, 1
    if snapshot["rows_total"] is not None:
        return snapshot["rows_total"] or 1, snapshot["rows_done"]
    return None if snapshot["status"] == Status.RUNNING else (1, 0)
