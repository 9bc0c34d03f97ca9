"""Describe the filters, the search and the order of a change list."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from django.contrib.admin.utils import label_for_field
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from exports.spec.changelist import sorted_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.admin import ListFilter
    from django.contrib.admin.views.main import ChangeList


def filters(changelist: ChangeList) -> list[str]:
    """Return a phrase for each active filter and the search: "carrier is JetBlue Airways"."""
    phrases = [_("%(filter)s is %(choice)s") % each for each in _active_filters(changelist)]
    if changelist.query and changelist.search_fields:
        phrases.append(_("search “%(text)s”") % {"text": changelist.query})
    return phrases


def order(changelist: ChangeList) -> list[str]:
    """Return a phrase for each column that the user sorts by: "sorted by distance, descending"."""
    return [
        (_("sorted by %(column)s, descending") if is_descending else _("sorted by %(column)s"))
        % {"column": label_for_field(name, changelist.model, changelist.model_admin)}
        for name, is_descending in sorted_by(changelist).items()
    ]


def _active_filters(changelist: ChangeList) -> Iterator[dict[str, str]]:
    others: dict[str, list[str]] = changelist.get_filters_params()
    for filter_ in changelist.filter_specs:
        for name in filter_.expected_parameters():
            others.pop(str(name), None)
        if choice := _chosen(filter_, changelist):
            yield {"filter": str(filter_.title), "choice": choice}
    if date := _date(changelist, others):
        yield date
    # Lookups in the URL that the admin allows although no filter of the list offers them.
    for name, values in others.items():
        yield {"filter": name, "choice": ", ".join(values)}


def _chosen(filter_: ListFilter, changelist: ChangeList) -> str:
    """Return the labels of the chosen choices of a filter; "" if it is not active."""
    used = filter_.used_parameters
    choices = list(filter_.choices(changelist))
    # The first is "All". A filter that is not in the URL may have another default.
    offered = choices if used else choices[1:]
    if chosen := [str(each["display"]) for each in offered if each.get("selected")]:
        return ", ".join(chosen)
    values = (each if isinstance(each, list) else [each] for each in used.values())
    return ", ".join(str(value) for each in values for value in each)


def _date(changelist: ChangeList, lookups: dict[str, list[str]]) -> dict[str, str] | None:
    """Return the year, month or day of the date hierarchy, and remove it from `lookups`."""
    field = changelist.date_hierarchy
    if not field or f"{field}__year" not in lookups:
        return None
    given = [lookups.pop(f"{field}__{unit}", None) for unit in ("year", "month", "day")]
    year, month, day = (int(each[-1]) if each else None for each in given)
    first = datetime.date(year or 1, month or 1, day or 1)
    form = "DATE_FORMAT" if day else "YEAR_MONTH_FORMAT" if month else "Y"
    title = label_for_field(field, changelist.model, changelist.model_admin)
    return {"filter": str(title), "choice": date_format(first, form)}
