"""What narrows an export, in words, for the person who is about to ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.validators import EMPTY_VALUES
from django.db.models import Model, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone_name, is_naive
from django.utils.translation import gettext as _
from django_filters.widgets import LookupChoiceWidget, RangeWidget

from exports.i18n.message import shorten
from exports.spec import context, queryset
from exports.spec import filters as spec_filters
from exports.spec.filters import MOMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User
    from django.forms import BoundField, Widget

    from exports.exporters import Exporter


def filters(
    exporter: Exporter, owner: User, chosen: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[str]:
    """A phrase for each filter that `owner` has `chosen`: "Carrier is JetBlue Airways".

    `stored` is what `context` has kept of their request: a moment is said in its time zone,
    whoever reads. Raises InvalidFilter for those that the exporter cannot take.
    """
    if exporter.filterset is None or not chosen:
        return []
    with context.restored(owner, stored) as request, context.in_zone(stored):
        made = spec_filters.filterset(exporter, queryset.scoped(exporter, owner), chosen, request)
        # By filter: the form of a FilterSet may have fields besides.
        phrases = [
            _phrase(made.form[name], each.lookup_expr, made.form.cleaned_data[name])
            for name, each in made.filters.items()
        ]
    return [shorten(phrase) for phrase in phrases if phrase]


def _phrase(field: BoundField, lookup: str, value: Any) -> str:
    """In the words of who asked: what a date is parsed to is a moment of its day."""
    widget = field.field.widget
    if isinstance(widget, RangeWidget):
        return _between(field, *(_said(field, text) for text in field.data))
    if value in EMPTY_VALUES:
        return ""
    if isinstance(widget, LookupChoiceWidget):
        text, lookup = field.data
        shown = text if lookup == "exact" else f"{_called(lookup, widget.widgets[1])} {text}"
    else:
        shown = ", ".join(_texts(field, value))
    if not shown:  # As that of no rows, which are not an empty value.
        return ""
    said = {"filter": field.label, "choice": shown}
    # The label of any other lookup ends with its verb: "Name contains".
    return (_("%(filter)s is %(choice)s") if lookup == "exact" else "%(filter)s %(choice)s") % said


def _texts(field: BoundField, value: Any) -> list[str]:
    # Not looked up among the choices: those are all rows of the other table.
    if isinstance(value, Model | QuerySet):
        choices: Any = field.field
        chosen = [value] if isinstance(value, Model) else value
        return [str(choices.label_from_instance(each)) for each in chosen]
    texts = field.data if isinstance(field.data, list) else [field.data]
    widget = field.field.widget
    return [_called(_said(field, text), widget) for text in texts if text not in EMPTY_VALUES]


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


def _called(value: Any, widget: Widget) -> str:
    """What a widget calls one of its choices, those in groups among them; or the value itself."""
    # Choices of yes and no have "true" and "false" for their values.
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for key, label in getattr(widget, "choices", ()):
        inner = label if isinstance(label, list | tuple) else [(key, label)]
        for each, name in inner:
            if str(each) == text:
                return str(name)
    return text
