"""What a request asks for, checked; and the rows and columns that it means, as its owner.

What is stored is the question, never the answer: column names, filters, or an admin
change list's own query string. The worker asks it again, with the owner's rights.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.core.validators import EMPTY_VALUES
from django.db import NotSupportedError
from django.http import QueryDict
from django.utils import translation

from exports.exceptions import (
    InvalidFilter,
    InvalidHeader,
    InvalidQueryset,
    NotPermitted,
    UnknownColumn,
    UnknownExporter,
)
from exports.exporters import registry
from exports.exporters.joins import every_row
from exports.exporters.keys import keys
from exports.exporters.querysets import (
    check_sql,
    checked,
    cut,
    has_own_scope,
    incomparable,
    narrowable,
)
from exports.i18n.localize import complaint, spoken, together
from exports.spec import changelist, context, filter_choices, patterns, sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django import forms
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django_filters import FilterSet

    from exports.exporters import Column, Exporter
    from exports.i18n.message import Sentence
    from exports.models import Export


LONGEST_HEADER = 100
MAX_DIGITS = 400  # More than a double has: no column that a filter compares is larger.


def offered(user: User, name: str) -> Exporter:
    """Return the exporter `name`, which a request names. Raise UnknownExporter.

    The error is the same for an exporter that `user` may not run and for one that does not
    exist. It lists the exporters that `user` may run.
    """
    available = {exporter.name: exporter for exporter in registry.available(user)}
    if name not in available:
        raise registry.unknown(name, available)
    return available[name]


def permitted(user: User, name: str) -> Exporter:
    """Return the exporter `name` of an existing export, which the reader of the error may see.

    Raise NotPermitted, with the exporter's label, if `user` may not run it, and UnknownExporter
    if it does not exist any more.
    """
    try:
        exporter = registry.get(name)
    except UnknownExporter:
        raise UnknownExporter(
            spoken('The exporter "%(name)s" is not offered any more.', name=name)
        ) from None
    if not registry.may_run(exporter, user):
        raise NotPermitted(
            spoken(
                'You may not export "%(name)s". An administrator can give you the permission.',
                name=exporter.label,
            )
        )
    return exporter


def columns(
    exporter: Exporter, names: Sequence[str] | None, headers: Mapping[str, str] | None = None
) -> list[Column]:
    """The columns `names` in that order, or all of them; with `headers`, by name, for some.

    A header that is translated is in the current language. Raises UnknownColumn or InvalidHeader.
    """
    return _titled(_chosen(exporter, names), headers or {})


def _chosen(exporter: Exporter, names: Sequence[str] | None) -> list[Column]:
    known = {column.name: column for column in exporter.all_columns()}
    if names is None:
        return list(known.values())
    if not names:
        raise UnknownColumn(spoken("Choose at least one column."))
    for name in names:
        if name not in known:
            raise UnknownColumn(
                spoken(
                    '"%(exporter)s" has no column "%(name)s". It has: %(known)s.',
                    exporter=exporter.name,
                    name=name,
                    known=", ".join(known),
                )
            )
    if len(set(names)) < len(names):
        raise UnknownColumn(spoken("Each column can be there once."))
    return [known[name] for name in names]


def _titled(chosen: Sequence[Column], headers: Mapping[str, str]) -> list[Column]:
    names = {column.name for column in chosen}
    for name, header in headers.items():
        if name not in names:
            raise InvalidHeader(
                spoken(
                    'The header "%(header)s" is for a column that is not there: %(column)s.',
                    header=header,
                    column=name,
                ),
                columns=[name],
            )
        if not 0 < len(header) <= LONGEST_HEADER or not header.isprintable():
            raise InvalidHeader(
                spoken(
                    'The header of "%(column)s" has to be a line of 1 to %(most)s characters.',
                    column=name,
                    most=LONGEST_HEADER,
                ),
                columns=[name],
            )
    titled = [column.titled(headers.get(column.name, str(column.header))) for column in chosen]
    for header, times in Counter(str(column.header) for column in titled).items():
        if times > 1:
            raise InvalidHeader(
                spoken('Two columns cannot both have the header "%(header)s".', header=header),
                columns=[column.name for column in titled if column.header == header],
            )
    return titled


def rows(
    exporter: Exporter,
    user: User,
    params: Mapping[str, Any],
    stored: Mapping[str, Any] | None = None,
) -> QuerySet[Any]:
    """The rows that `params` mean for `user`, for the engine to cut. No query is run.

    They are sorted if that was asked for; otherwise they come in the order of their keys,
    whatever order the exporter's own queryset has. `stored` is what `context` has kept of the
    request, and has to be `activated` while they are read.
    Raises InvalidFilter, InvalidSelection, InvalidQueryset, NotKept, UnknownColumn, NotPermitted.
    """
    return _asked(exporter, user, params, stored)[0]


def narrowing_filters(
    exporter: Exporter, user: User, params: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Those filters of `params` that narrow anything: an untouched yes or no is "unknown".

    Raises as `rows`, for which it is the check before `params` are stored.
    """
    _, made = _asked(exporter, user, params, stored)
    filters = params.get("filters") or {}
    if made is None or not filters:
        return {}
    empty = {
        parameter
        for name, field in made.form.fields.items()
        # As django-filter itself tells what is no filter.
        if made.form.cleaned_data.get(name) in EMPTY_VALUES
        for parameter in _parameters_of(name, field)
    }
    return {
        name: value
        for name, value in filters.items()
        if name not in empty and any(made.data.getlist(name))
    }


def _asked(
    exporter: Exporter, user: User, params: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> tuple[QuerySet[Any], FilterSet | None]:
    """The rows, and the FilterSet that has narrowed them, if one has."""
    chosen = columns(exporter, params.get("columns"))
    made = None
    with context.activated(stored):
        if (selection := params.get("changelist")) is None:
            found = scoped(exporter, user)
        else:
            listed = changelist.rows(exporter, user, selection, stored)
            found = _listed(exporter, user, listed, chosen)
        filters = params.get("filters") or {}
        # A list has its own filters. Else the FilterSet may narrow rows without being asked to.
        if filters or (exporter.filterset is not None and selection is None):
            given = narrowable(found, exporter, chosen)
            with context.restored(user, stored) as request:
                made = filterset(exporter, given, filters, request)
                found = _queryset_of(made)
                _check_patterns(made, found)
                if filters and (problem := incomparable(found)):
                    raise InvalidFilter(
                        spoken("The filters cannot be applied: %(problem)s", problem=problem)
                    )
        found = cut(found, exporter, chosen)
        if selection is not None:
            found = changelist.narrow(found, selection)
        check_sql(found, exporter)
    return found, made


def scoped(exporter: Exporter, user: User) -> QuerySet[Any]:
    """The rows that `user` may see. Raises InvalidQueryset if that is no queryset."""
    where = f"{type(exporter).__name__}.get_queryset()"
    return checked(exporter.get_queryset(user), exporter.queryset.model, where)


def _listed(
    exporter: Exporter, user: User, listed: QuerySet[Any], chosen: Sequence[Column]
) -> QuerySet[Any]:
    """The rows of an admin list, as far as the exporter lets `user` see them."""
    if has_own_scope(exporter):
        seen = cut(scoped(exporter, user), exporter, chosen)
        return seen.filter(pk__in=keys(listed.using(seen.db)))
    # The list is what its reader sees and means, whatever the exporter's manager hides.
    return cut(listed, exporter, chosen)


def _queryset_of(made: FilterSet) -> QuerySet[Any]:
    """What the FilterSet makes of its filters. Raises InvalidQueryset."""
    where = type(made).__name__
    try:
        found = made.qs
    # A slice or a union cannot be filtered further, and django-filter asserts what it is given.
    # Of chosen rows, annotations of get_queryset are not there any more.
    except (AssertionError, FieldError, TypeError, NotSupportedError) as error:
        raise InvalidQueryset(
            spoken(
                "%(where)s cannot be applied: %(problem)s Its methods have to return a queryset "
                "that can be filtered further.",
                where=where,
                problem=error,
            )
        ) from error
    return checked(found, made.queryset.model, where)


def _check_patterns(made: FilterSet, found: QuerySet[Any]) -> None:
    """Raise InvalidFilter for a regular expression that `found` may not or cannot match."""
    for name, field in made.form.fields.items():
        texts = [
            text
            for parameter in _parameters_of(name, field)
            for text in made.data.getlist(parameter)
        ]
        if problem := patterns.problem_among(found.query, texts, found.db):
            raise _refusal(made, {name: problem})


def listed(
    exporter: Exporter, user: User, params: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> QuerySet[Any] | None:
    """The rows of the admin list of `params`, also those that the exporter leaves out.

    None if it leaves out none: it has no scope of its own, or there is no list. Raises as `rows`.
    """
    selection = params.get("changelist")
    if selection is None or not has_own_scope(exporter):
        return None
    with context.activated(stored):
        found = changelist.rows(exporter, user, selection, stored)
        every = every_row(found.model, found.db).filter(pk__in=keys(found))
        return changelist.narrow(every, selection)


def of(export: Export) -> tuple[QuerySet[Any], list[Column]]:
    """The rows and columns of a stored export, its owner's permission asked again."""
    exporter = permitted(export.owner, export.exporter)
    params = export.params
    with context.activated(context.with_language(export.context)):
        chosen = columns(exporter, params.get("columns"), params.get("headers"))
    return rows(exporter, export.owner, params, export.context), chosen


def filter_names(exporter: Exporter, request: HttpRequest) -> list[str]:
    """The names that `filters` may have: those of the query string of its FilterSet."""
    if exporter.filterset is None:
        return []
    return list(_parameters(made_filterset(exporter, None, exporter.queryset.none(), request)))


def made_filterset(
    exporter: Exporter,
    data: QueryDict | None,
    scoped: QuerySet[Any],
    request: HttpRequest,
    prefix: str | None = None,
) -> FilterSet:
    """Return the exporter's FilterSet, not yet validated, with choices from `scoped` only."""
    assert exporter.filterset is not None
    made = exporter.filterset(data, queryset=scoped, prefix=prefix, request=request)
    filter_choices.limit(made, scoped, has_scope=has_own_scope(exporter))
    return made


def filterset(
    exporter: Exporter,
    queryset: QuerySet[Any],
    filters: Mapping[str, Any],
    request: HttpRequest,
) -> FilterSet:
    """The exporter's FilterSet of `filters`, which are valid. Raises InvalidFilter.

    `queryset` has the rows that the user may see.
    """
    if exporter.filterset is None:
        raise InvalidFilter(spoken('"%(exporter)s" has no filters.', exporter=exporter.name))
    data = _form_data(filters)
    made = made_filterset(exporter, data, queryset, request)
    _check_names(exporter, filters, data, _parameters(made))
    # A date means the same whoever asks, in whatever language, and when a worker asks again.
    with translation.override("en"):
        valid = made.is_valid()
    if not valid:
        found = made.errors.as_data().items()
        raise _refusal(made, {name: together(map(complaint, each)) for name, each in found})
    for name, value in made.form.cleaned_data.items():
        for each in _values(value):
            if problem := _out_of_range(each):
                raise _refusal(made, {name: problem})
    return made


def _check_names(
    exporter: Exporter, filters: Mapping[str, Any], data: QueryDict, known: Mapping[str, bool]
) -> None:
    """Raise InvalidFilter for an unknown name, and for several values where one is allowed."""
    if unknown := filters.keys() - known.keys():
        raise InvalidFilter(
            spoken(
                '"%(exporter)s" has no filter "%(name)s". It has: %(known)s.',
                exporter=exporter.name,
                name=min(unknown),
                known=", ".join(sorted(known)),
            )
        )
    for name in sorted(filters):
        if len(data.getlist(name)) > 1 and not known[name]:
            raise InvalidFilter(spoken('The filter "%(name)s" takes one value.', name=name))


def _refusal(made: FilterSet, problems: Mapping[str, Sentence]) -> InvalidFilter:
    """What is wrong with its filters: by name for who sends names, by label for who reads."""
    by_label = (
        # What is wrong with all of them together has no field.
        f"{made.form[name].label}: {problem}" if name in made.form.fields else problem
        for name, problem in problems.items()
    )
    return InvalidFilter(
        together(_not_valid(name, problem) for name, problem in problems.items()),
        in_words=" ".join(by_label),
        problems=problems,
    )


def _not_valid(name: str, problem: Sentence) -> Sentence:
    return spoken('The filter "%(name)s" is not valid: %(problem)s', name=name, problem=problem)


def _values(value: Any) -> Iterator[Any]:
    """Yield the single values of a filter: a range has two, a list several."""
    if isinstance(value, slice):
        yield from (value.start, value.stop)
    elif isinstance(value, list | tuple):
        yield from value
    else:
        yield value


def _out_of_range(value: Any) -> Sentence | None:
    """Return why no database can compare a column with `value`; None if it can."""
    # 1e300000 is short, and as an integer it would keep the whole process busy for seconds.
    if isinstance(value, Decimal) and value.adjusted() > MAX_DIGITS:
        return spoken("the number is too large.")
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        try:
            value.astimezone(datetime.UTC)
        except OverflowError:
            return spoken("the date is out of range.")
    return None


def _form_data(filters: Mapping[str, Any]) -> QueryDict:
    """`filters` as a query string would have them. None, as the empty text, filters nothing."""
    data = QueryDict(mutable=True)
    for name, value in filters.items():
        values = value if isinstance(value, list) else [value]
        if texts := [_text(name, each) for each in values if each is not None]:
            _check_number_of_values(name, texts)
            data.setlist(name, texts)
    return data


def _check_number_of_values(name: str, texts: Sequence[str]) -> None:
    # A text may be a list as well. No filter of a single value takes a thousand commas.
    number = max(len(texts), *(text.count(",") + 1 for text in texts))
    if number > sizes.MAX_VALUES:
        raise InvalidFilter(
            _not_valid(
                name,
                spoken(
                    "it has %(number)s values, and may have %(allowed)s at most.",
                    number=number,
                    allowed=sizes.MAX_VALUES,
                ),
            )
        )


def _text(name: str, value: Any) -> str:
    # Python reads NaN and 1e999 in JSON, and no JSON of a database can store what they are.
    is_no_number = isinstance(value, float) and not math.isfinite(value)
    if is_no_number or isinstance(value, dict | list | tuple):
        raise InvalidFilter(_not_valid(name, spoken("give it a text or a number.")))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not text.isascii() and text != text.encode(errors="replace").decode():
        # Half of a surrogate pair, which JSON can spell and no database compares.
        raise InvalidFilter(_not_valid(name, spoken("it has a broken character.")))
    return text


def _parameters(filterset: FilterSet) -> dict[str, bool]:
    """The names that a query string may use, and whether each may have several values.

    A range has two names for one filter.
    """
    found: dict[str, bool] = {}
    for name, field in filterset.form.fields.items():
        has_several = getattr(field.widget, "allow_multiple_selected", False)
        found |= dict.fromkeys(_parameters_of(name, field), has_several)
    return found


def _parameters_of(name: str, field: forms.Field) -> list[str]:
    suffixes = getattr(field.widget, "suffixes", [None])
    return [f"{name}_{suffix}" if suffix else name for suffix in suffixes]
