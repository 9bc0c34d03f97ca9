"""The filters of an exporter as fields of a form: those of its FilterSet, under names of their own.

A form that asks for an export has other fields, too, and a model may well have a field
"format". So each name has a prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import QueryDict
from django.utils.timezone import get_current_timezone_name
from django.utils.translation import gettext as _
from django_filters.fields import (
    DateRangeField,
    DateTimeRangeField,
    IsoDateTimeRangeField,
    TimeRangeField,
)
from django_filters.widgets import RangeWidget

from exports.exceptions import InvalidQueryset
from exports.spec import filters as spec_filters
from exports.spec import queryset
from exports.spec.filters import MOMENTS
from notifications.http import user_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django import forms
    from django.forms.boundfield import BoundField
    from django.http import HttpRequest
    from django_filters import FilterSet

    from exports.exceptions import InvalidFilter
    from exports.exporters import Exporter

PREFIX = "filter"


class FilterFields:
    """The fields, filled in."""

    def __init__(
        self, exporter: Exporter, filters: Mapping[str, Any], request: HttpRequest
    ) -> None:
        self.asked = dict(filters)
        self.form: forms.Form | None = None
        if exporter.filterset is not None:
            data = QueryDict(mutable=True)
            for name, value in filters.items():
                texts = value if isinstance(value, list) else [value]
                data.setlist(f"{PREFIX}-{name}", [str(text) for text in texts])
            self.form = _made(exporter, data, request).form
            for field in self.form.fields.values():
                _name_its_inputs(field)
                if isinstance(field, MOMENTS):
                    zone = get_current_timezone_name()
                    field.help_text = _("Times are in %(zone)s.") % {"zone": zone}

    @classmethod
    def of(
        cls, exporter: Exporter, params: Mapping[str, Any], request: HttpRequest
    ) -> FilterFields:
        """As `params` of an export have them. Nobody has forgotten a required one yet."""
        found = cls(exporter, params.get("filters") or {}, request)
        if found.form is not None:
            for name in [*found.form.errors]:
                if found.form.has_error(name, code="required"):
                    del found.form.errors[name]
        return found

    @classmethod
    def sent(cls, exporter: Exporter, request: HttpRequest) -> FilterFields:
        """As a form sends them. An empty field filters nothing."""
        data = request.POST
        found: dict[str, Any] = {}
        for key in data:
            prefix, dash, name = key.partition("-")
            texts = [text for text in data.getlist(key) if text.strip()]
            if prefix == PREFIX and dash and texts:
                found[name] = texts[0] if len(texts) == 1 else texts
        return cls(exporter, found, request)

    def __iter__(self) -> Iterator[BoundField]:
        return iter(self.form or ())

    def refuse(self, error: InvalidFilter) -> bool:
        """Show what was refused at the fields that it names. Returns whether it names any."""
        if self.form is None:
            return False
        # Other than the form's own: filters are read as in English, in whatever language.
        found = {name: each for name, each in error.problems.items() if name in self.form.fields}
        for name, problem in found.items():
            if not self.form.has_error(name):
                self.form.add_error(name, problem.localized())
        return bool(found)


def _made(exporter: Exporter, data: QueryDict, request: HttpRequest) -> FilterSet:
    """The FilterSet for the rows that the user may see.

    For none where the exporter's rows are refused: so will be the request, in words.
    """
    try:
        scoped = queryset.scoped(exporter, user_of(request))
        return spec_filters.made_filterset(exporter, data, scoped, request, PREFIX)
    except InvalidQueryset:
        none = exporter.queryset.none()
        return spec_filters.made_filterset(exporter, data, none, request, PREFIX)


def _name_its_inputs(field: forms.Field) -> None:
    """Give each input of a range a name of its own, and the keyboard that fits it."""
    widget = field.widget
    if not isinstance(widget, RangeWidget):
        return
    if widget.template_name == RangeWidget.template_name:  # Not one that a project has made.
        widget.template_name = "exports/widgets/range.html"
    names = (_("%(filter)s from"), _("%(filter)s to"))
    for each, name in zip(widget.widgets, names, strict=False):
        each.attrs["aria-label"] = name % {"filter": field.label}
        each.input_type = _input_type(field)


def _input_type(field: forms.Field) -> str:
    match field:
        case DateRangeField():
            return "date"
        case DateTimeRangeField() | IsoDateTimeRangeField():
            return "datetime-local"
        case TimeRangeField():
            return "time"
    return "text"
