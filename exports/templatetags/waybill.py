"""How pages show an export: its card, and numbers as people read them in their language.

A page is alive: `static/exports/format.js` formats the same numbers when they change, by what
browsers know of the page's language. tests/js/format_cases.json holds both to one table, for
each language that the pages are in.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext

from exports import logtext, query
from exports.access import may_change
from exports.exceptions import NotPermitted, RequestError
from exports.snapshot import snapshot

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User
    from django.template import Context
    from django.utils.safestring import SafeString

    from exports.models import Export

register = template.Library()

HARD = "\N{NO-BREAK SPACE}"

# What no script of a page reads of an export that is on it: half of the page's weight.
UNREAD = {
    *("owner", "team", "exporter", "format", "options", "consistency", "origin", "error", "links"),
    *("protected_cells", "created_at", "started_at", "read_from", "read_until", "expires_at"),
}


@register.inclusion_tag("exports/_card.html", takes_context=True)
def card(context: Context, export: Export) -> dict[str, Any]:
    """An export in a list."""
    return _shown(context, export)


@register.inclusion_tag("exports/_sheet.html", takes_context=True)
def sheet(context: Context, export: Export) -> dict[str, Any]:
    """An export on its own page, to which its buttons lead back."""
    return {**_shown(context, export), "next": export.get_absolute_url()}


@register.inclusion_tag("exports/admin/_panel.html", takes_context=True)
def panel(context: Context, export: Export) -> dict[str, Any]:
    """An export on its page in the admin, which has buttons of its own."""
    source = context["request"].get_full_path()
    own = {"source": source, "buttons": context["buttons"], "may_change": False}
    return {**_shown(context, export), **own}


def _shown(context: Context, export: Export) -> dict[str, Any]:
    """What the partials of an export read."""
    user = context["request"].user
    current = snapshot(export, context.get("positions"))
    return {
        "export": export,
        "snapshot": current,
        "known": {name: value for name, value in current.items() if name not in UNREAD},
        "is_own": export.owner_id == user.pk,
        "may_change": may_change(user, export),
        "may_download": may_download(user, export.exporter),
        "status_template": f"exports/status/_{export.status}.html",
        "ahead": (current["queue_position"] or 1) - 1,
        # An orderly hand-over takes an attempt, too, and is nobody's loss.
        "lost_workers": max(export.attempt - export.handovers - 1, 0),
    }


def may_download(user: User, exporter: str) -> bool:
    """Whether a click would bring a file of it: not for all who may see the export."""
    try:
        query.permitted(user, exporter)
    except (NotPermitted, RequestError):
        return False
    return True


@register.simple_tag
def live(pattern: str, snapshot: dict[str, Any]) -> SafeString:
    """`pattern` ("about {eta} left") with its values, kept up to date by the page's script.

    Hidden as long as a value that it names is unknown.
    """
    text = fill(pattern, values(snapshot))
    hidden = "" if text else " hidden"
    return format_html('<span data-text="{}"{}>{}</span>', pattern, hidden, text)


@register.filter(name="json")
def to_json(value: Any) -> str:
    """For a data attribute; the template escapes it."""
    return json.dumps(value, separators=(",", ":"))


register.filter("printable", logtext.printable)


@register.filter
def number(value: float) -> str:
    """336776 -> "336,776", in German "336.776"."""
    return number_format(math.floor(value + 0.5), force_grouping=True)


@register.filter
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
    return _unbroken(gettext("%d hr") % count)


def _minutes(count: int) -> str:
    return _unbroken(gettext("%d min") % count)


def _seconds(count: int) -> str:
    return _unbroken(gettext("%d sec") % count)


def _unbroken(text: str) -> str:
    return text.replace(" ", HARD)


@register.filter
def took(export: Export) -> str:
    """From the first worker's start to the end: "" for what never started or goes on."""
    start, end = export.started_at, export.finished_at
    return duration((end - start).total_seconds()) if start and end else ""


def percent(snapshot: dict[str, Any]) -> int | None:
    """Whole percents, and 100 only when nothing is missing. None when the total is unknown."""
    done, total = snapshot["rows_done"], snapshot["rows_total"]
    if total is None:
        return None
    return 100 if done >= total else int(100 * done // total)


def values(snapshot: dict[str, Any]) -> dict[str, str | None]:
    """What the sentences of a page may name. None hides a sentence that names it."""
    share = percent(snapshot)
    done, total = snapshot["rows_done"], snapshot["rows_total"]
    return {
        "label": snapshot["label"],
        "rows_done": number(done),
        "rows_total": None if total is None else number(total),
        "rows_so_far": number(done) if total is None and done else None,
        "percent": None if share is None else _unbroken(gettext("%d%%") % share),
        "rate": number(snapshot["rate"]) if snapshot["rate"] else None,
        "eta": duration(snapshot["eta"]) if snapshot["eta"] else None,
    }


def fill(pattern: str, known: dict[str, str | None]) -> str:
    """`pattern` with its values, or "" if one of them is unknown."""
    names = re.findall(r"\{(\w+)\}", pattern)
    if any(known.get(name) is None for name in names):
        return ""
    return re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), pattern)


@register.simple_tag
def moment(value: datetime, form: str = "date") -> SafeString:
    """A time as "date" or "clock"; the page's script puts it into the reader's time zone.

    A clock is the same in every language, so that the lines of a log stand in columns.
    """
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" data-form="{}" title="{}">{}</time>',
        local.isoformat(),
        form,
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        f"{local:%H:%M:%S}" if form == "clock" else date_format(local, "DATETIME_FORMAT"),
    )
