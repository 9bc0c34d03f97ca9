"""Put the filters of a request into words, for the user who is about to start the export."""

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
from exports.spec.filters import DATETIME_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User
    from django.forms import BoundField, Widget

    from exports.exporters import Exporter


def filters(
    exporter: Exporter, owner: User, chosen: Mapping[str, Any], stored: Mapping[str, Any]
) -> list[str]:
    """Return a phrase for each filter that `owner` has `chosen`: "Carrier is JetBlue Airways".

    Times are in the time zone of the `stored` request context, for every reader. Raises
    InvalidFilter for filters that the exporter cannot apply.
    """
    if exporter.filterset is None or not chosen:
        return []
    with context.restore(owner, stored) as request, context.activate_zone(stored):
        filterset = spec_filters.validated_filterset(
            exporter, queryset.scoped(exporter, owner), chosen, request
        )
        # By the filters, because the form may have further fields.
        phrases = [
            _phrase(filterset.form[name], each.lookup_expr, filterset.form.cleaned_data[name])
            for name, each in filterset.filters.items()
        ]
    return [shorten(phrase) for phrase in phrases if phrase]


def _phrase(field: BoundField, lookup: str, value: Any) -> str:
    """Return a phrase for one filter; "" if it is not used.

    It shows the text that the user entered, because a date is parsed to a moment of that day.
    """
    widget = field.field.widget
    if isinstance(widget, RangeWidget):
        return _range(field, *(_with_zone(field, text) for text in field.data))
    if value in EMPTY_VALUES:
        return ""
    if isinstance(widget, LookupChoiceWidget):
        text, lookup = field.data
        shown = text if lookup == "exact" else f"{_label(lookup, widget.widgets[1])} {text}"
    else:
        shown = ", ".join(_texts(field, value))
    if not shown:  # An empty queryset is not in EMPTY_VALUES.
        return ""
    words = {"filter": field.label, "choice": shown}
    # The label of any other lookup ends with its verb: "Name contains".
    return (_("%(filter)s is %(choice)s") if lookup == "exact" else "%(filter)s %(choice)s") % words


def _texts(field: BoundField, value: Any) -> list[str]:
    # The value is not looked up among the choices, because these are all rows of a table.
    if isinstance(value, Model | QuerySet):
        choices: Any = field.field
        chosen = [value] if isinstance(value, Model) else value
        return [str(choices.label_from_instance(each)) for each in chosen]
    texts = field.data if isinstance(field.data, list) else [field.data]
    widget = field.field.widget
    return [_label(_with_zone(field, text), widget) for text in texts if text not in EMPTY_VALUES]


def _with_zone(field: BoundField, text: str) -> str:
    """Add the time zone to a time, because other times on the page are in the reader's zone."""
    if not text or not isinstance(field.field, DATETIME_FIELDS):
        return text
    moment = parse_datetime(text)
    zone = get_current_timezone_name() if moment is None or is_naive(moment) else ""
    return f"{text.replace('T', ' ')} {zone}".rstrip()


def _range(field: BoundField, low: str | None, high: str | None) -> str:
    words = {"filter": field.label, "low": low, "high": high}
    if low and high:
        return _("%(filter)s from %(low)s to %(high)s") % words
    if low:
        return _("%(filter)s from %(low)s on") % words
    return _("%(filter)s up to %(high)s") % words if high else ""


def _label(value: Any, widget: Widget) -> str:
    """Return the widget's label for a choice, also inside a group; the value if it has none."""
    # The values of a yes/no choice are "true" and "false".
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for key, label in getattr(widget, "choices", ()):
        inner = label if isinstance(label, list | tuple) else [(key, label)]
        for each, name in inner:
            if str(each) == text:
                return str(name)
    return text
