"""Turn any queryset into one that `readers.plan` can split by primary key.

A queryset may be sliced, combined, distinct or windowed, or may repeat rows. Adding ranges of keys
or columns to such a queryset would change its rows. So it becomes a condition, `pk IN (its keys)`,
on a plain queryset of the same model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.exceptions import InvalidQueryset
from exports.exporters.base import Exporter
from exports.exporters.joins import (
    every_row,
    repeating_relation,
    splitting_relation,
    to_many_aliases,
)
from exports.exporters.keys import keys
from exports.exporters.problems import first_problem
from exports.i18n.message import Message, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet
    from django.db.models.sql import Query

    from exports.exporters.base import Column


def splittable(
    requested: QuerySet[Any], exporter: Exporter, columns: Sequence[Column]
) -> QuerySet[Any]:
    """Return the rows of `requested`, each once and in no order, as a queryset for the readers.

    Adding a range of keys, or `columns` with `readers.projection.selected`, does not change its
    rows. Raise InvalidQueryset if a column needs something that only `requested` itself has.
    """
    if not _obstacle(requested):
        if problem := first_problem(requested, columns):
            raise InvalidQueryset(join([problem.what, problem.remedy]))
        return _plain(requested)
    declared = exporter.queryset.using(requested.db)
    sources = [every_row(requested.model, requested.db)]
    if _has_rows_of(declared, requested) and _has_values_of(declared.query, requested.query):
        sources.append(_plain(declared))
    return _selected_by_key(requested, exporter, columns, sources)


def filterable(
    requested: QuerySet[Any], exporter: Exporter, columns: Sequence[Column]
) -> QuerySet[Any]:
    """Return the rows of `requested` as a queryset from which a FilterSet can only remove rows.

    Filters may use the annotations of the exporter's queryset. Raise InvalidQueryset like
    `splittable`.
    """
    if not _chooses(requested):
        return requested
    declared = exporter.queryset.using(requested.db)
    own = every_row(requested.model, requested.db)
    sources = [own]
    if _has_rows_of(declared, requested) and (
        not first_problem(own, columns) or _has_values_of(declared.query, requested.query)
    ):
        sources = [_plain(declared), own]
    return _selected_by_key(requested, exporter, columns, sources)


def lookup_rows(requested: QuerySet[Any], *, ordered: bool = False) -> QuerySet[Any]:
    """Return the rows of `requested` as a queryset to which any condition can be added.

    With `ordered`, it keeps its order, unless its rows must be selected by primary key.
    """
    if _chooses(requested) or requested.query.group_by is not None:
        return every_row(requested.model, requested.db).filter(pk__in=keys(requested))
    return requested if ordered else _plain(requested)


def _chooses(queryset: QuerySet[Any]) -> bool:
    """Return whether adding a condition to `queryset` could add rows to it.

    Django applies conditions before a slice, a window or distinct() on fields. So when a condition
    removes a row, another row may take its place.
    """
    query = queryset.query
    return bool(
        query.combinator
        or query.is_sliced
        or query.distinct_fields
        or query.where.contains_over_clause
    )


def _selected_by_key(
    requested: QuerySet[Any],
    exporter: Exporter,
    columns: Sequence[Column],
    sources: Sequence[QuerySet[Any]],
) -> QuerySet[Any]:
    """Select the rows of `requested` from the first of `sources` that has all `columns`."""
    problems = []
    for source in sources:
        if not (problem := first_problem(source, columns)):
            return source.filter(pk__in=keys(requested))
        problems.append(problem)
    raise InvalidQueryset(
        Message(
            'The queryset of "%(exporter)s" cannot be split by primary key with all of '
            "its annotations, because of its %(obstacle)s. %(problem)s To fix this, "
            "select the rows with filter(pk__in=…), or compute the annotation with a "
            "Subquery in the exporter's queryset or columns.",
            exporter=exporter.name,
            obstacle=_obstacle(requested),
            problem=problems[0].what,
        )
    )


def _obstacle(requested: QuerySet[Any]) -> str:
    """Return the part of a queryset for which a range of keys or a column would change its rows.

    "" if it has no such part.
    """
    query = requested.query
    if query.combinator:
        return f"{query.combinator}()"
    if query.is_sliced:
        return "slice"
    if query.distinct:
        return "distinct()"
    expressions: list[Any] = [*query.annotations.values(), query.where]
    if any(each.contains_over_clause for each in expressions):
        return "window function"
    return repeating_relation(requested)


def _plain(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows of `queryset` without its order, its locks and its related objects."""
    plain: QuerySet[Any] = queryset.order_by().select_related(None)
    plain.query.select_for_update = False
    return plain


def has_own_scope(exporter: Exporter) -> bool:
    """Return whether the exporter restricts its rows beyond what a manager of its model does.

    Such a restriction also applies to exports from a list of the admin.
    """
    if type(exporter).get_queryset is not Exporter.get_queryset:
        return True
    declared = exporter.queryset.query
    managers = exporter.queryset.model._meta.managers
    return bool(declared.where) and all(
        manager.get_queryset().query.where != declared.where for manager in managers
    )


def _has_rows_of(declared: QuerySet[Any], requested: QuerySet[Any]) -> bool:
    """Return whether the exporter's queryset `declared` has all rows of `requested`."""
    models = {declared.model._meta.concrete_model, requested.model._meta.concrete_model}
    return (
        len(models) == 1 and not _obstacle(declared) and not _hides(declared.query, requested.query)
    )


def _hides(ours: Query, theirs: Query) -> bool:
    """Return whether `ours` may lack a row of `theirs`."""
    if theirs.combinator:
        return any(_hides(ours, each) for each in theirs.combined_queries)
    return any(each not in theirs.where.children for each in ours.where.children)


def _has_values_of(ours: Query, theirs: Query) -> bool:
    """Return whether annotations that both have give each row of `theirs` the same values."""
    if theirs.combinator:
        return all(_has_values_of(ours, each) for each in theirs.combined_queries)
    means_the_same = all(
        theirs.annotations.get(name, expression) == expression
        for name, expression in ours.annotations.items()
    )
    aggregates = any(each.contains_aggregate for each in ours.annotations.values())
    # Another to-many join multiplies an aggregate, and several groups of a row divide it.
    has_other_joins = not to_many_aliases(theirs) <= to_many_aliases(ours)
    differs = has_other_joins or bool(splitting_relation(theirs))
    return means_the_same and not (aggregates and differs)
