"""Numbers of an export as people read them in their language, and sentences that name them.

A page is alive: `static/exports/lib/format.js` formats the same numbers when they change, by what
browsers know of the page's language. tests/js/exports/format_cases.json holds both to one table, for
each language that the pages are in.
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

HARD = "\N{NO-BREAK SPACE}"
KILOBYTE = 1024

# Seconds without a word from its worker after which an export's page stops to say how fast it
# is. Reports come four times a second, and from a busy database once in some.
SILENT_SECONDS = 10


def moment(value: datetime) -> str:
    """A date and a time of day: "Nov 28, 2025, 6:44 AM", in German "28.11.2025, 06:44".

    Not Django's DATETIME_FORMAT, whose "a.m." would end a sentence twice.
    """
    return date_format(value, pgettext("a format for Django's filter date", "M j, Y, g:i A"))


def duration(seconds: float) -> str:
    """Seconds in at most two units, rounded up: an estimate that runs out early annoys."""
    whole = max(1, math.ceil(seconds))
    for big, say_big, small, say_small in (
        (86400, _days, 3600, _hours),
        (3600, _hours, 60, _minutes),
        (60, _minutes, 1, _seconds),
    ):
        if whole >= big:
            head, tail = say_big(whole // big), whole % big // small
            return f"{head} {say_small(tail)}" if tail else head
    return _seconds(whole)


# As short as CLDR has them, which is where browsers have theirs from.
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
    """As filesizeformat. What is less than 1 KB is not worth a word while it grows."""
    return filesizeformat(count) if count >= KILOBYTE else None


def _unbroken(text: str) -> str:
    return text.replace(" ", HARD)


def percent(snapshot: dict[str, Any]) -> int | None:
    """Whole percents, and 100 only when nothing is missing. None when the total is unknown.

    Once all parts are written nothing is missing, also if rows were removed meanwhile.
    """
    done, total = snapshot["rows_done"], snapshot["rows_total"]
    if total is None:
        return None
    return 100 if done >= total or _is_extracted(snapshot) else int(100 * done // total)


def _is_extracted(snapshot: dict[str, Any]) -> bool:
    return bool(snapshot["stage"] == Stage.ASSEMBLING or snapshot["status"] == Status.SUCCEEDED)


def difference(snapshot: dict[str, Any]) -> str:
    """Why the finished file has other rows than were counted; "" if it has those."""
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
    """What the sentences of a page may name. None hides a sentence that names it.

    How fast it is, and how long it takes, is not known of one that has been silent for long.
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
    """`pattern` with its values, or "" if one of them is unknown."""
    names = re.findall(r"\{(\w+)\}", pattern)
    if any(known.get(name) is None for name in names):
        return ""
    return re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), pattern)


def share(snapshot: dict[str, Any]) -> tuple[float, float] | None:
    """All there is to do, and what is done of it; None when that is not known."""
    if snapshot["stage"] == Stage.ASSEMBLING:
        return 1, snapshot["assembled"]
    if snapshot["status"] == Status.SUCCEEDED:
        return 1, 1
    if snapshot["rows_total"] is not None:
        return snapshot["rows_total"] or 1, snapshot["rows_done"]
    return None if snapshot["status"] == Status.RUNNING else (1, 0)
