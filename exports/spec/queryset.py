"""The rows of a spec as a queryset, with the rights of its owner.

An export stores filters or the query string of an admin change list, and primary keys only for rows
that a user has ticked. The worker builds the queryset again from these, with the rights that the
owner has then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.core.validators import EMPTY_VALUES
from django.db import NotSupportedError

from exports.exceptions import InvalidFilter, InvalidQueryset
from exports.exporters.joins import every_row
from exports.exporters.keys import keys
from exports.exporters.querysets import filterable, has_own_scope, splittable
from exports.exporters.registry import permitted
from exports.exporters.validation import check_sql, comparison_error, validated
from exports.i18n.message import Message
from exports.spec import changelist, context, patterns
from exports.spec.columns import choose_columns
from exports.spec.filters import invalid_filter, parameters_of, validated_filterset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django_filters import FilterSet

    from exports.exporters import Column, Exporter
    from exports.models import Export
    from exports.spec.spec import ExportSpec


def rows_and_columns(export: Export | ExportSpec) -> tuple[QuerySet[Any], list[Column]]:
    """Return the rows and columns of an export or a spec. Check the owner's permission again.

    Raises the same errors as `rows`, and NotPermitted without the permission of the exporter.
    """
    exporter = permitted(export.owner, export.exporter)
    params = export.params
    with context.activate_for_file(export.context):
        chosen = choose_columns(exporter, params.get("columns"), params.get("headers"))
    return rows(exporter, export.owner, params, export.context), chosen


def rows(
    exporter: Exporter,
    user: User,
    params: Mapping[str, Any],
    stored: Mapping[str, Any] | None = None,
) -> QuerySet[Any]:
    """Return the rows that `params` select for `user`, for `readers.plan` to split.

    No query is run. The rows have the order that was requested, otherwise the order of their keys,
    whatever the order of the exporter's queryset. `stored` is the request context of the export,
    which must be active while the rows are read. Raises InvalidFilter, InvalidSelection,
    InvalidQueryset, MissingContext, UnknownColumn or NotPermitted.
    """
    return _rows_and_filterset(exporter, user, params, stored)[0]


def narrowing_filters(
    exporter: Exporter, user: User, params: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the filters of `params` without those of no effect, such as the choice "unknown".

    This also validates `params` before they are stored. Raises the same errors as `rows`.
    """
    _, filterset = _rows_and_filterset(exporter, user, params, stored)
    filters = params.get("filters") or {}
    if filterset is None or not filters:
        return {}
    empty = {
        parameter
        for name, field in filterset.form.fields.items()
        # django-filter ignores a filter with one of these values.
        if filterset.form.cleaned_data.get(name) in EMPTY_VALUES
        for parameter in parameters_of(name, field)
    }
    return {
        name: value
        for name, value in filters.items()
        if name not in empty and any(filterset.data.getlist(name))
    }


def _rows_and_filterset(
    exporter: Exporter, user: User, params: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> tuple[QuerySet[Any], FilterSet | None]:
    """Return the rows, and the FilterSet that narrowed them, if any."""
    chosen = choose_columns(exporter, params.get("columns"))
    filterset = None
    with context.activate(stored):
        if (selection := params.get("changelist")) is None:
            found = scoped(exporter, user)
        else:
            listed = changelist.rows(exporter, user, selection, stored)
            found = _in_scope(exporter, user, listed, chosen)
        filters = params.get("filters") or {}
        # A FilterSet may narrow rows even without values. An admin list has its own filters, so it
        # needs the FilterSet only for values.
        if filters or (exporter.filterset is not None and selection is None):
            given = filterable(found, exporter, chosen)
            with context.restore(user, stored) as request:
                filterset = validated_filterset(exporter, given, filters, request)
                found = _filtered(filterset)
                _check_patterns(filterset, found)
                if filters and (problem := comparison_error(found)):
                    raise InvalidFilter(
                        Message("The filters cannot be applied: %(problem)s", problem=problem)
                    )
        found = splittable(found, exporter, chosen)
        if selection is not None:
            found = changelist.narrow(found, selection)
        check_sql(found, exporter)
    return found, filterset


def scoped(exporter: Exporter, user: User) -> QuerySet[Any]:
    """Return the rows of the exporter that `user` may see. Raises InvalidQueryset."""
    where = f"{type(exporter).__name__}.get_queryset()"
    return validated(exporter.get_queryset(user), exporter.queryset.model, where)


def _in_scope(
    exporter: Exporter, user: User, listed: QuerySet[Any], chosen: Sequence[Column]
) -> QuerySet[Any]:
    """Return the rows of the admin list `listed` that the exporter lets `user` see."""
    if has_own_scope(exporter):
        seen = splittable(scoped(exporter, user), exporter, chosen)
        return seen.filter(pk__in=keys(listed.using(seen.db)))
    # Without a scope, the export has all rows of the list, even those that the manager of the
    # exporter's queryset hides.
    return splittable(listed, exporter, chosen)


def _filtered(filterset: FilterSet) -> QuerySet[Any]:
    """Return the rows that match the filters. Raises InvalidQueryset."""
    where = type(filterset).__name__
    try:
        found = filterset.qs
    # Methods of the FilterSet may return a slice, a union or no queryset at all. They may also use
    # annotations of get_queryset() that `filterable` has removed.
    except (AssertionError, FieldError, TypeError, NotSupportedError) as error:
        raise InvalidQueryset(
            Message(
                "%(where)s cannot be applied: %(problem)s Its methods must return a queryset "
                "that can be filtered further.",
                where=where,
                problem=error,
            )
        ) from error
    return validated(found, filterset.queryset.model, where)


def _check_patterns(filterset: FilterSet, found: QuerySet[Any]) -> None:
    """Raise InvalidFilter for a regular expression that `found` may not or cannot match."""
    for name, field in filterset.form.fields.items():
        texts = [
            text
            for parameter in parameters_of(name, field)
            for text in filterset.data.getlist(parameter)
        ]
        if problem := patterns.problem_among(found.query, texts, found.db):
            raise invalid_filter(filterset, {name: problem})


def whole_admin_list(
    exporter: Exporter, user: User, params: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> QuerySet[Any] | None:
    """Return the rows of the admin list in `params`, including those outside the exporter's scope.

    None if no row can be outside: the exporter has no scope of its own, or there is no list. Raises
    the same errors as `rows`.
    """
    selection = params.get("changelist")
    if selection is None or not has_own_scope(exporter):
        return None
    with context.activate(stored):
        found = changelist.rows(exporter, user, selection, stored)
        every = every_row(found.model, found.db).filter(pk__in=keys(found))
        return changelist.narrow(every, selection)
