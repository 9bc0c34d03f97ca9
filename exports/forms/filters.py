"""The filters of an exporter as form fields, made by its FilterSet.

Each field name has a prefix, because a filter may have the name of another field of the page, such
as "format".
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
from exports.spec.filters import DATETIME_FIELDS
from notifications.http import user_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django import forms
    from django.http import HttpRequest
    from django_filters import FilterSet

    from exports.exceptions import InvalidFilter
    from exports.exporters import Exporter

PREFIX = "filter"
# The input type for each kind of range.
INPUT_TYPES = (
    (DateRangeField, "date"),
    ((DateTimeRangeField, IsoDateTimeRangeField), "datetime-local"),
    (TimeRangeField, "time"),
)


class FilterFields:
    """The form of a FilterSet, filled in with the filters `values`."""

    def __init__(
        self, exporter: Exporter, filters: Mapping[str, Any], request: HttpRequest
    ) -> None:
        self.values = dict(filters)
        self.form: forms.Form | None = None
        if exporter.filterset is not None:
            data = QueryDict(mutable=True)
            for name, value in filters.items():
                texts = value if isinstance(value, list) else [value]
                data.setlist(f"{PREFIX}-{name}", [str(text) for text in texts])
            self.form = _filterset(exporter, data, request).form
            for field in self.form.fields.values():
                _set_up_range(field)
                if isinstance(field, DATETIME_FIELDS):
                    zone = get_current_timezone_name()
                    field.help_text = _("Times are in %(zone)s.") % {"zone": zone}

    @classmethod
    def from_params(
        cls, exporter: Exporter, params: Mapping[str, Any], request: HttpRequest
    ) -> FilterFields:
        """Read the `params` of a preset. Before a POST a missing required filter is not an error."""
        found = cls(exporter, params.get("filters") or {}, request)
        if found.form is not None:
            for name in [*found.form.errors]:
                if found.form.has_error(name, code="required"):
                    del found.form.errors[name]
        return found

    @classmethod
    def from_post(cls, exporter: Exporter, request: HttpRequest) -> FilterFields:
        """Read the posted form of `request`. An empty field filters nothing."""
        data = request.POST
        found: dict[str, Any] = {}
        for key in data:
            texts = [text for text in data.getlist(key) if text.strip()]
            if key.startswith(f"{PREFIX}-") and texts:
                found[key.removeprefix(f"{PREFIX}-")] = texts[0] if len(texts) == 1 else texts
        return cls(exporter, found, request)

    def show_error(self, error: InvalidFilter) -> bool:
        """Show `error` at the fields that it names. Return whether it names any."""
        if self.form is None:
            return False
        # `build_spec` parses values as in English. The form has parsed them in the user's language,
        # and may have accepted a value that `build_spec` refuses.
        found = {name: each for name, each in error.problems.items() if name in self.form.fields}
        for name, problem in found.items():
            if not self.form.has_error(name):
                self.form.add_error(name, problem.localized())
        return bool(found)


def _filterset(exporter: Exporter, data: QueryDict, request: HttpRequest) -> FilterSet:
    """Return the FilterSet for the rows that the user may see.

    If the exporter's queryset is invalid, there are no rows. `build_spec` raises the error later.
    """
    try:
        rows = queryset.scoped(exporter, user_of(request))
        return spec_filters.build_filterset(exporter, data, rows, request, PREFIX)
    except InvalidQueryset:
        no_rows = exporter.queryset.none()
        return spec_filters.build_filterset(exporter, data, no_rows, request, PREFIX)


def _set_up_range(field: forms.Field) -> None:
    """Give each input of a range its own accessible name and input type."""
    widget = field.widget
    if not isinstance(widget, RangeWidget):
        return
    if widget.template_name == RangeWidget.template_name:  # A project may have its own.
        widget.template_name = "exports/widgets/range.html"
    labels = (_("%(filter)s from"), _("%(filter)s to"))
    for each, label in zip(widget.widgets, labels, strict=False):
        each.attrs["aria-label"] = label % {"filter": field.label}
        matching = (name for kind, name in INPUT_TYPES if isinstance(field, kind))
        each.input_type = next(matching, "text")
