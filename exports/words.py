"""What narrows an export, in words, for the person who is about to ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.forms import MultiWidget
from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone_name, is_naive
from django.utils.translation import gettext as _

from exports import query
from exports.filter_form import MOMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.forms import BoundField

    from exports.exporter import Exporter


def filters(exporter: Exporter, chosen: Mapping[str, Any]) -> list[str]:
    """A phrase for each of the filters that are `chosen`: "Carrier is JetBlue Airways".

    Raises InvalidFilter for those that the exporter cannot take.
    """
    if exporter.filterset is None or not chosen:
        return []
    made = query.filterset(exporter, exporter.queryset.all(), chosen)
    phrases = (_phrase(field, made.filters[field.name].lookup_expr) for field in made.form)
    return [phrase for phrase in phrases if phrase]


def _phrase(field: BoundField, lookup: str) -> str:
    """In the words of who asked: what a date is parsed to is a moment of its day."""
    if isinstance(field.field.widget, MultiWidget):
        return _between(field, *(_said(field, text) for text in field.data))
    texts = field.data if isinstance(field.data, list) else [field.data]
    choices = dict(_choices(field))
    shown = ", ".join(str(choices.get(str(text), _said(field, text))) for text in texts if text)
    if not shown:
        return ""
    said = {"filter": field.label, "choice": shown}
    # The label of any other lookup ends with its verb: "Name contains".
    return (_("%(filter)s is %(choice)s") if lookup == "exact" else "%(filter)s %(choice)s") % said


def _said(field: BoundField, text: str) -> str:
    """A moment names its time zone: the times of the page around it are in the reader's."""
    if not text or not isinstance(field.field, MOMENTS):
        return text
    moment = parse_datetime(text)
    zone = get_current_timezone_name() if moment is None or is_naive(moment) else ""
    return f"{text.replace('T', ' ')} {zone}".rstrip()


def _between(field: BoundField, low: str | None, high: str | None) -> str:
    said = {"filter": field.label, "low": low, "high": high}
    if low and high:
        return _("%(filter)s from %(low)s to %(high)s") % said
    if low:
        return _("%(filter)s from %(low)s on") % said
    return _("%(filter)s up to %(high)s") % said if high else ""


def _choices(field: BoundField) -> list[tuple[str, Any]]:
    """Those of the widget, without groups: a group's are looked up by their values, too."""
    flat: list[tuple[str, Any]] = []
    for value, label in getattr(field.field.widget, "choices", ()):
        inner = label if isinstance(label, list | tuple) else [(value, label)]
        flat += [(str(each), text) for each, text in inner]
    return flat
