"""Validate the filters of a request: their names and their values, with the exporter's FilterSet."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import QueryDict
from django.utils import translation
from django_filters.fields import DateTimeRangeField, IsoDateTimeRangeField

from exports.exceptions import InvalidFilter
from exports.exporters.querysets import has_own_scope
from exports.i18n.message import Message, from_validation_error, join
from exports.spec import filter_choices, sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django_filters import FilterSet

    from exports.exporters import Exporter

# A value without an offset in one of these fields is in the time zone of the request.
DATETIME_FIELDS = (DateTimeRangeField, IsoDateTimeRangeField, forms.DateTimeField)
MAX_DIGITS = 400  # A double has fewer, so no column holds a larger number.


def filter_names(exporter: Exporter, request: HttpRequest) -> list[str]:
    """Return the query parameters of the exporter's FilterSet: the names that `filters` may have."""
    if exporter.filterset is None:
        return []
    return list(_parameters(build_filterset(exporter, None, exporter.queryset.none(), request)))


def build_filterset(
    exporter: Exporter,
    data: QueryDict | None,
    scoped: QuerySet[Any],
    request: HttpRequest,
    prefix: str | None = None,
) -> FilterSet:
    """Return the exporter's FilterSet, not yet validated, with choices from `scoped` only."""
    assert exporter.filterset is not None
    filterset = exporter.filterset(data, queryset=scoped, prefix=prefix, request=request)
    filter_choices.limit(filterset, scoped, has_scope=has_own_scope(exporter))
    return filterset


def validated_filterset(
    exporter: Exporter, queryset: QuerySet[Any], filters: Mapping[str, Any], request: HttpRequest
) -> FilterSet:
    """Return the exporter's FilterSet with validated `filters`. Raises InvalidFilter.

    `queryset` has the rows that the user may see.
    """
    if exporter.filterset is None:
        raise InvalidFilter(Message('"%(exporter)s" has no filters.', exporter=exporter.name))
    data = _form_data(filters)
    filterset = build_filterset(exporter, data, queryset, request)
    _check_names(exporter, filters, data, _parameters(filterset))
    # Values are parsed as in English, because a date must mean the same for each user and for the
    # worker.
    with translation.override("en"):
        valid = filterset.is_valid()
    if not valid:
        found = filterset.errors.as_data().items()
        raise invalid_filter(
            filterset, {name: join(map(from_validation_error, each)) for name, each in found}
        )
    for name, value in filterset.form.cleaned_data.items():
        for each in _values(value):
            if problem := _out_of_range(each):
                raise invalid_filter(filterset, {name: problem})
    return filterset


def _check_names(
    exporter: Exporter, filters: Mapping[str, Any], data: QueryDict, known: Mapping[str, bool]
) -> None:
    """Raise InvalidFilter for an unknown name, and for several values where one is allowed."""
    if unknown := filters.keys() - known.keys():
        raise InvalidFilter(
            Message(
                '"%(exporter)s" has no filter "%(name)s". Available: %(known)s.',
                exporter=exporter.name,
                name=min(unknown),
                known=", ".join(sorted(known)),
            )
        )
    for name in sorted(filters):
        if len(data.getlist(name)) > 1 and not known[name]:
            raise InvalidFilter(Message('The filter "%(name)s" accepts only one value.', name=name))


def invalid_filter(filterset: FilterSet, problems: Mapping[str, Message]) -> InvalidFilter:
    """Return an InvalidFilter with all problems: by name for programs, by label for people."""
    by_label = (
        # A problem of the form as a whole has no field.
        f"{filterset.form[name].label}: {problem.localized()}"
        if name in filterset.form.fields
        else problem.localized()
        for name, problem in problems.items()
    )
    return InvalidFilter(
        join(_not_valid(name, problem) for name, problem in problems.items()),
        page_message=" ".join(by_label),
        problems=problems,
    )


def _not_valid(name: str, problem: Message) -> Message:
    return Message('The filter "%(name)s" is not valid: %(problem)s', name=name, problem=problem)


def _values(value: Any) -> Iterator[Any]:
    """Yield the single values of a filter: a range has two, a list several."""
    if isinstance(value, slice):
        yield from (value.start, value.stop)
    elif isinstance(value, list | tuple):
        yield from value
    else:
        yield value


def _out_of_range(value: Any) -> Message | None:
    """Return why no database can compare a column with `value`; None if it can."""
    # 1e300000 is a short text, but as an integer it would block the process for seconds.
    if isinstance(value, Decimal) and value.adjusted() > MAX_DIGITS:
        return Message("the number is too large.")
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        try:
            value.astimezone(datetime.UTC)
        except OverflowError:
            return Message("the date is out of range.")
    return None


def _form_data(filters: Mapping[str, Any]) -> QueryDict:
    """Return `filters` like a parsed query string, without values that are None."""
    data = QueryDict(mutable=True)
    for name, value in filters.items():
        values = value if isinstance(value, list) else [value]
        if texts := [_text(name, each) for each in values if each is not None]:
            _check_number_of_values(name, texts)
            data.setlist(name, texts)
    return data


def _check_number_of_values(name: str, texts: Sequence[str]) -> None:
    # A text may hold a list with commas. No filter of a single value needs a thousand commas.
    number = max(len(texts), *(text.count(",") + 1 for text in texts))
    if number > sizes.MAX_VALUES:
        raise InvalidFilter(
            _not_valid(
                name,
                Message(
                    "it has %(number)s values; the limit is %(allowed)s.",
                    number=number,
                    allowed=sizes.MAX_VALUES,
                ),
            )
        )


def _text(name: str, value: Any) -> str:
    # Python's JSON parser accepts NaN and 1e999, but databases cannot store them as JSON.
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    if is_infinite or isinstance(value, dict | list | tuple):
        raise InvalidFilter(_not_valid(name, Message("enter a text or a number.")))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not text.isascii() and text != text.encode(errors="replace").decode():
        # JSON can encode half of a surrogate pair, but no database can compare it.
        raise InvalidFilter(_not_valid(name, Message("it contains an invalid character.")))
    return text


def _parameters(filterset: FilterSet) -> dict[str, bool]:
    """Return the names of query parameters, and whether each may have several values."""
    found: dict[str, bool] = {}
    for name, field in filterset.form.fields.items():
        has_several = getattr(field.widget, "allow_multiple_selected", False)
        found |= dict.fromkeys(parameters_of(name, field), has_several)
    return found


def parameters_of(name: str, field: forms.Field) -> list[str]:
    """Return the query parameters of one filter: a range has two."""
    suffixes = getattr(field.widget, "suffixes", [None])
    return [f"{name}_{suffix}" if suffix else name for suffix in suffixes]
