"""Template tags for an export: its card, its progress bar, and texts that a script updates."""

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

# `worker.runner` stores an unexpected error as "ValueError: …". A message that is meant for users
# has no such prefix.
UNEXPECTED = re.compile(r"\w+: ")
# Fields of a snapshot that no script of a page reads. Without them a page has half the size.
NOT_FOR_SCRIPTS = {
    "owner",
    "team",
    "exporter",
    "format",
    "options",
    "consistency",
    "origin",
    "error",
    "links",
    "rows_added",
    "rows_removed",
    "protected_cells",
    "created_at",
    "started_at",
    "read_from",
    "read_until",
    "expires_at",
}


@register.inclusion_tag("exports/export/_card.html", takes_context=True)
def card(context: Context, export: Export) -> dict[str, Any]:
    """Render an export in a list."""
    return _context(context, export)


@register.inclusion_tag("exports/export/_sheet.html", takes_context=True)
def sheet(context: Context, export: Export) -> dict[str, Any]:
    """Render an export on its own page. Its buttons return to that page."""
    own = {"next": export.get_absolute_url(), "is_sheet": True, "phrases": filter_phrases(export)}
    return {**_context(context, export), **own}


@register.inclusion_tag("exports/admin/_panel.html", takes_context=True)
def panel(context: Context, export: Export) -> dict[str, Any]:
    """Render an export on its page in the admin, which has its own buttons."""
    source = context["request"].get_full_path()
    own = {"source": source, "buttons": context["buttons"], "may_change": False}
    return {**_context(context, export), **own}


def _context(context: Context, export: Export) -> dict[str, Any]:
    """Return the context of the partials of an export."""
    user = context["request"].user
    # Pages show the default label in the user's language.
    current = {**snapshot(export, context.get("positions")), "label": export.title}
    reason, language = localize(export.error, export.reason)
    has_expired = export.status == Status.SUCCEEDED and current["links"]["download"] is None
    return {
        "export": export,
        "snapshot": current,
        "known": {name: value for name, value in current.items() if name not in NOT_FOR_SCRIPTS},
        "is_own": export.owner_id == user.pk,
        "may_change": may_change(user, export),
        "may_download": may_download(user, export),
        "status_template": f"exports/status/_{export.status}.html",
        # For the icon and the colours. "expired" is not a status.
        "state": "expired" if has_expired else str(export.status),
        "is_held": export.status in HELD,
        "silence": silence(export),
        # Another worker takes over after the lease has expired and beat has noticed.
        "patience": formatting.duration(conf.LEASE_SECONDS + periodic.SECONDS),
        "reached": reached(export, current),
        "difference": formatting.difference(current),
        # The view of a list has read the lines of all its exports in one query.
        "lines": (context.get("last_lines") or last_lines([export])).get(export.stream),
        "reason": reason,
        "reason_language": language,
        "is_foreseen": export.reason is not None or not UNEXPECTED.match(export.error),
        "ahead": (current["queue_position"] or 1) - 1,
        # A handover also starts a new attempt, but its worker is not lost.
        "lost_workers": max(export.attempt - export.handovers - 1, 0),
    }


def filter_phrases(export: Export) -> list[str]:
    """Describe the filters of `export`, or return `name=value` if its exporter cannot."""
    filters = export.params.get("filters") or {}
    try:
        return describe.filters(
            registry.get(export.exporter), export.owner, filters, export.context
        )
    except RequestError:
        pass
    # The project's code may raise any error. The rest of the page must still be shown.
    except Exception:
        logger.exception("Could not describe the filters of export %s.", export.pk)
    return [shorten(f"{name}={value}") for name, value in filters.items()]


def silence(export: Export) -> float:
    """Return the seconds since the last sign of life of its worker; 0 if it has none.

    This host's clock may be wrong, so the number is only shown and decides nothing.
    """
    if export.status not in HELD or export.lease_expires_at is None:
        return 0
    left = (export.lease_expires_at - timezone.now()).total_seconds()
    return round(max(conf.LEASE_SECONDS - left, 0), 1)


def reached(export: Export, snapshot: dict[str, Any]) -> str:
    """Say how many rows an export had reached when it ended without a file; "" without rows."""
    done = export.rows_reached
    if not done or not export.is_final:
        return ""
    known = formatting.values({**snapshot, "rows_done": done})
    full = formatting.fill(_("stopped at {rows_done} of {rows_total} rows ({percent})"), known)
    return full or formatting.fill(_("stopped at {rows_done} rows"), known)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Render a symbol of templates/_icons.svg. A text beside it must say the same."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#icon-{}"/></svg>', name)


@register.simple_tag
def bar(name: str, snapshot: dict[str, Any]) -> SafeString:
    """Render the progress bar. It has no value while the number of rows is unknown."""
    progress = formatting.bar(snapshot)
    if progress is None:
        return format_html('<progress aria-label="{}"></progress>', name)
    return format_html(
        '<progress aria-label="{}" max="{}" value="{}"></progress>',
        name,
        *map(json.dumps, progress),
    )


@register.simple_tag
def live(pattern: str, snapshot: dict[str, Any], silence: float = 0) -> SafeString:
    """Render `pattern`, such as "about {eta} left", with the values of an export.

    The text is hidden while one of its values is unknown. The page's script updates both.
    """
    text = formatting.fill(pattern, formatting.values(snapshot, silence))
    hidden = "" if text else " hidden"
    return format_html('<span data-text="{}"{}>{}</span>', pattern, hidden, text)


@register.filter(name="json")
def to_json(value: Any) -> str:
    """Return `value` as compact JSON for a data attribute, which the template escapes."""
    return json.dumps(value, separators=(",", ":"))


register.filter("printable", logtext.printable)
register.filter("number", number)
register.filter("duration", formatting.duration)


@register.filter
def took(export: Export) -> str:
    """Return the time from the first start to the end; "" if either is missing."""
    start, end = export.started_at, export.finished_at
    return formatting.duration((end - start).total_seconds()) if start and end else ""


@register.simple_tag
def moment(value: datetime, form: str = "date") -> SafeString:
    """Render a time in the `form` "date" or "clock". The page's script converts the time zone.

    A clock looks the same in every language, so that the lines of a log are aligned.
    """
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" data-form="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        form,
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        f"{local:%H:%M:%S}" if form == "clock" else formatting.date_time(local),
    )
