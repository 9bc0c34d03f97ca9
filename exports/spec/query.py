"""The rows and columns of a spec, read with the rights of its owner.

An export stores what selects its rows, never their keys: column names, filters, or the query string
of an admin change list. (Only rows that were ticked by hand are stored by key.) The worker runs the
query again, with the rights that the owner has then.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.core.validators import EMPTY_VALUES
from django.db import NotSupportedError

from exports.exceptions import (
    InvalidFilter,
    InvalidHeader,
    InvalidQueryset,
    UnknownColumn,
)
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
from exports.exporters.registry import permitted
from exports.i18n.message import Message
from exports.spec import changelist, context, patterns
from exports.spec.filters import filterset, parameters_of, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django_filters import FilterSet

    from exports.exporters import Column, Exporter
    from exports.models import Export


LONGEST_HEADER = 100


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
        raise UnknownColumn(Message("Choose at least one column."))
    for name in names:
        if name not in known:
            raise UnknownColumn(
                Message(
                    '"%(exporter)s" has no column "%(name)s". Available: %(known)s.',
                    exporter=exporter.name,
                    name=name,
                    known=", ".join(known),
                )
            )
    if len(set(names)) < len(names):
        raise UnknownColumn(Message("Each column can be used only once."))
    return [known[name] for name in names]


def _titled(chosen: Sequence[Column], headers: Mapping[str, str]) -> list[Column]:
    names = {column.name for column in chosen}
    for name, header in headers.items():
        if name not in names:
            raise InvalidHeader(
                Message(
                    'The header "%(header)s" is for a column that is not selected: %(column)s.',
                    header=header,
                    column=name,
                ),
                columns=[name],
            )
        if not 0 < len(header) <= LONGEST_HEADER or not header.isprintable():
            raise InvalidHeader(
                Message(
                    'The header of "%(column)s" must be a single line of 1 to %(most)s characters.',
                    column=name,
                    most=LONGEST_HEADER,
                ),
                columns=[name],
            )
    titled = [column.titled(headers.get(column.name, str(column.header))) for column in chosen]
    for header, times in Counter(str(column.header) for column in titled).items():
        if times > 1:
            raise InvalidHeader(
                Message('Two columns cannot both have the header "%(header)s".', header=header),
                columns=[column.name for column in titled if column.header == header],
            )
    return titled


def rows(
    exporter: Exporter,
    user: User,
    params: Mapping[str, Any],
    stored: Mapping[str, Any] | None = None,
) -> QuerySet[Any]:
    """The rows that `params` mean for `user`, for `readers.plan` to cut. No query is run.

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
        for parameter in parameters_of(name, field)
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
                        Message("The filters cannot be applied: %(problem)s", problem=problem)
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
            Message(
                "%(where)s cannot be applied: %(problem)s Its methods must return a queryset "
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
            for parameter in parameters_of(name, field)
            for text in made.data.getlist(parameter)
        ]
        if problem := patterns.problem_among(found.query, texts, found.db):
            raise refusal(made, {name: problem})


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
