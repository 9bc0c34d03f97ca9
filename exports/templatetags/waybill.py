"""How pages show an export: its card, its bar, and sentences that its script keeps true."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from exports import formatting
from exports.access import may_change
from exports.conf import conf
from exports.exceptions import RequestError
from exports.exporters import registry
from exports.files.names import filename_of
from exports.i18n.message import localize, shorten
from exports.i18n.numbers import number
from exports.log import text as logtext
from exports.log.read import last_lines
from exports.serialize import snapshot
from exports.spec import describe
from exports.spec.rights import may_download
from exports.status import HELD, Status
from notifications import periodic

if TYPE_CHECKING:
    from datetime import datetime

    from django.template import Context
    from django.utils.safestring import SafeString

    from exports.models import Export

logger = logging.getLogger(__name__)

register = template.Library()
register.filter("filename", filename_of)

# What `worker.runner` writes of an error that is none of our own: "ValueError: …". A sentence
# of an exporter's own, which nobody can translate, looks otherwise.
UNFORESEEN = re.compile(r"\w+: ")
# What no script of a page reads of an export that is on it: half of the page's weight.
UNREAD = {
    *("owner", "team", "exporter", "format", "options", "consistency", "origin", "error", "links"),
    *("rows_added", "rows_removed", "protected_cells"),
    *("created_at", "started_at", "read_from", "read_until", "expires_at"),
}


@register.inclusion_tag("exports/export/_card.html", takes_context=True)
def card(context: Context, export: Export) -> dict[str, Any]:
    """An export in a list."""
    return _shown(context, export)


@register.inclusion_tag("exports/export/_sheet.html", takes_context=True)
def sheet(context: Context, export: Export) -> dict[str, Any]:
    """An export on its own page, to which its buttons lead back."""
    own = {"next": export.get_absolute_url(), "is_sheet": True, "phrases": narrowed(export)}
    return {**_shown(context, export), **own}


@register.inclusion_tag("exports/admin/_panel.html", takes_context=True)
def panel(context: Context, export: Export) -> dict[str, Any]:
    """An export on its page in the admin, which has buttons of its own."""
    source = context["request"].get_full_path()
    own = {"source": source, "buttons": context["buttons"], "may_change": False}
    return {**_shown(context, export), **own}


def _shown(context: Context, export: Export) -> dict[str, Any]:
    """What the partials of an export read."""
    user = context["request"].user
    # On a page it is called as its reader calls it.
    current = {**snapshot(export, context.get("positions")), "label": export.title}
    reason, language = localize(export.error, export.reason)
    has_expired = export.status == Status.SUCCEEDED and current["links"]["download"] is None
    return {
        "export": export,
        "snapshot": current,
        "known": {name: value for name, value in current.items() if name not in UNREAD},
        "is_own": export.owner_id == user.pk,
        "may_change": may_change(user, export),
        "may_download": may_download(user, export),
        "status_template": f"exports/status/_{export.status}.html",
        # What its icon and its colours show: that a file has expired is no status.
        "state": "expired" if has_expired else str(export.status),
        "is_held": export.status in HELD,
        "silence": silence(export),
        # Its lease runs out, and beat looks for such.
        "patience": formatting.duration(conf.LEASE_SECONDS + periodic.SECONDS),
        "reached": reached(export, current),
        "difference": formatting.difference(current),
        # For a list they are read before, in one query.
        "lines": (context.get("last_lines") or last_lines([export])).get(export.stream),
        "reason": reason,
        "reason_language": language,
        "is_foreseen": export.reason is not None or not UNFORESEEN.match(export.error),
        "ahead": (current["queue_position"] or 1) - 1,
        # An orderly hand-over takes an attempt, too, and is nobody's loss.
        "lost_workers": max(export.attempt - export.handovers - 1, 0),
    }


def narrowed(export: Export) -> list[str]:
    """By what its rows are narrowed, in words; as it was asked, if nobody knows them any more."""
    filters = export.params.get("filters") or {}
    try:
        return describe.filters(
            registry.get(export.exporter), export.owner, filters, export.context
        )
    except RequestError:
        pass
    # Whatever the project's code raises: the page has more to show.
    except Exception:
        logger.exception("The filters of export %s cannot be put into words.", export.pk)
    return [shorten(f"{name}={value}") for name, value in filters.items()]


def silence(export: Export) -> float:
    """Seconds since its worker was last heard of; 0 if none has it.

    By this host's clock: it is told, and nothing is decided by it.
    """
    if export.status not in HELD or export.lease_expires_at is None:
        return 0
    left = (export.lease_expires_at - timezone.now()).total_seconds()
    return round(max(conf.LEASE_SECONDS - left, 0), 1)


def reached(export: Export, snapshot: dict[str, Any]) -> str:
    """How far it had come when it ended without a file: "" if it had not begun."""
    done = export.rows_reached
    if not done or not export.is_final:
        return ""
    known = formatting.values({**snapshot, "rows_done": done})
    pattern = _("stopped at {rows_done} of {rows_total} rows ({percent})")
    return formatting.fill(pattern, known) or formatting.fill(
        _("stopped at {rows_done} rows"), known
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of templates/_icons.svg, beside words that say the same."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>', name)


@register.simple_tag
def bar(name: str, snapshot: dict[str, Any]) -> SafeString:
    """How far it is, kept up to date by the page's script. Without a value, it is not known."""
    far = formatting.bar(snapshot)
    if far is None:
        return format_html('<progress aria-label="{}"></progress>', name)
    return format_html(
        '<progress aria-label="{}" max="{}" value="{}"></progress>', name, *map(json.dumps, far)
    )


@register.simple_tag
def live(pattern: str, snapshot: dict[str, Any], silence: float = 0) -> SafeString:
    """`pattern` ("about {eta} left") with its values, kept up to date by the page's script.

    Hidden as long as a value that it names is unknown.
    """
    text = formatting.fill(pattern, formatting.values(snapshot, silence))
    hidden = "" if text else " hidden"
    return format_html('<span data-text="{}"{}>{}</span>', pattern, hidden, text)


@register.filter(name="json")
def to_json(value: Any) -> str:
    """For a data attribute; the template escapes it."""
    return json.dumps(value, separators=(",", ":"))


register.filter("printable", logtext.printable)
register.filter("number", number)
register.filter("duration", formatting.duration)


@register.filter
def took(export: Export) -> str:
    """From the first worker's start to the end: "" for what never started or goes on."""
    start, end = export.started_at, export.finished_at
    return formatting.duration((end - start).total_seconds()) if start and end else ""


@register.simple_tag
def moment(value: datetime, form: str = "date") -> SafeString:
    """A time as "date" or "clock"; the page's script puts it into the reader's time zone.

    A clock is the same in every language, so that the lines of a log stand in columns.
    """
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" data-form="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        form,
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        f"{local:%H:%M:%S}" if form == "clock" else formatting.date_time(local),
    )
