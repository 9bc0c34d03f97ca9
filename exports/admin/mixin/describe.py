"""A change list in words: what narrows it, for the person who is about to export it."""

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


def in_words(changelist: ChangeList) -> list[str]:
    """What narrows the list, a phrase for each: "carrier is JetBlue Airways"."""
    return [
        *(_("%(filter)s is %(choice)s") % each for each in _narrowed_by(changelist)),
        *([_("search “%(text)s”") % {"text": changelist.query}] if _searches(changelist) else []),
    ]


def order(changelist: ChangeList) -> list[str]:
    """How its reader has sorted it: ["sorted by distance, descending"]."""
    return [
        (_("sorted by %(column)s, descending") if is_descending else _("sorted by %(column)s"))
        % {"column": label_for_field(name, changelist.model, changelist.model_admin)}
        for name, is_descending in sorted_by(changelist).items()
    ]


def _searches(changelist: ChangeList) -> bool:
    return bool(changelist.query and changelist.search_fields)


def _narrowed_by(changelist: ChangeList) -> Iterator[dict[str, str]]:
    rest: dict[str, list[str]] = changelist.get_filters_params()
    for spec in changelist.filter_specs:
        for name in spec.expected_parameters():
            rest.pop(str(name), None)
        if choice := _chosen(spec, changelist):
            yield {"filter": str(spec.title), "choice": choice}
    if day := _date(changelist, rest):
        yield day
    # Lookups that no filter of the list offers, and that its admin lets pass all the same.
    for name, values in rest.items():
        yield {"filter": name, "choice": ", ".join(values)}


def _chosen(spec: ListFilter, changelist: ChangeList) -> str:
    """What of a filter's choices is chosen, in its own words; "" when it does not narrow."""
    used = spec.used_parameters
    choices = list(spec.choices(changelist))
    # The first is "All". A filter that is not in the query may have another for its default.
    offered = choices if used else choices[1:]
    if chosen := [str(each["display"]) for each in offered if each.get("selected")]:
        return ", ".join(chosen)
    values = (each if isinstance(each, list) else [each] for each in used.values())
    return ", ".join(str(value) for each in values for value in each)


def _date(changelist: ChangeList, rest: dict[str, list[str]]) -> dict[str, str] | None:
    """The year, month or day of the date hierarchy, taken out of `rest`."""
    field = changelist.date_hierarchy
    if not field or f"{field}__year" not in rest:
        return None
    given = [rest.pop(f"{field}__{unit}", None) for unit in ("year", "month", "day")]
    year, month, day = (int(each[-1]) if each else None for each in given)
    first = datetime.date(year or 1, month or 1, day or 1)
    form = "DATE_FORMAT" if day else "YEAR_MONTH_FORMAT" if month else "Y"
    title = label_for_field(field, changelist.model, changelist.model_admin)
    return {"filter": str(title), "choice": date_format(first, form)}
