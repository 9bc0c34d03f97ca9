"""The rows of an export as one queryset that `readers.plan` can cut by primary key.

What people write as a queryset may be sliced, combined, distinct, windowed, or repeat rows.
Ranges of keys and columns cannot be added to such a queryset without changing its rows. So it
becomes a condition, `pk IN (its keys)`, on a plain queryset of the same model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet, FieldError
from django.db import DatabaseError, connections
from django.db.models import F, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from exports.exceptions import InvalidQueryset
from exports.exporters.base import Exporter
from exports.exporters.joins import (
    every_row,
    is_own_aggregate,
    many_of,
    mixes_relations,
    repeating_relation,
    repeats_beside_aggregate,
    resolved,
    splitting_relation,
)
from exports.exporters.keys import field_of, keys
from exports.i18n.message import Message, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.models import Model

    from exports.exporters.base import Column


def checked(found: Any, model: type[Model], where: str) -> QuerySet[Any]:
    """`found`, which `where` has returned, if it is a queryset of `model`'s rows.

    It then names its database: a router may name another replica each time it is asked.
    Raises InvalidQueryset, which says what it is instead.
    """
    if not isinstance(found, QuerySet):
        raise InvalidQueryset(
            Message(
                "%(where)s returns %(kind)s. It must return a queryset of %(model)s.",
                where=where,
                kind=type(found).__name__,
                model=model._meta.label,
            )
        )
    if _is_random(found.query):
        raise InvalidQueryset(
            Message(
                "%(where)s selects rows at random, so each part of a file would get "
                "different rows. Pick the rows once, and select them with filter(pk__in=[…]).",
                where=where,
            )
        )
    if found.model._meta.concrete_model is not model._meta.concrete_model:
        raise InvalidQueryset(
            Message(
                "%(where)s returns rows of %(other)s. It must return a queryset of %(model)s.",
                where=where,
                other=found.model._meta.label,
                model=model._meta.label,
            )
        )
    if not found.query.default_cols or not issubclass(found._iterable_class, ModelIterable):
        raise InvalidQueryset(
            Message(
                "%(where)s returns values() or similar, whose rows have no primary key. "
                "Return a queryset of %(model)s, and list the fields in the exporter's "
                "columns.",
                where=where,
                model=model._meta.label,
            )
        )
    return found.using(found.db)


# Functions that give another result each time.
_RANDOM = {"RAND", "RANDOM", "GEN_RANDOM_UUID", "UUID_GENERATE_V4"}


def _is_random(query: Query) -> bool:
    """Whether the rows that `query` selects are others each time."""
    chooses = query.is_sliced or query.distinct_fields
    order = [F(field_of(each)) if isinstance(each, str) else each for each in query.order_by]
    parts = [query.where, *query.combined_queries, *(order if chooses else ())]
    return any(_calls_random(part, query) for part in parts)


def _calls_random(part: Any, query: Query) -> bool:
    if isinstance(part, Query):
        return _is_random(part)
    if isinstance(part, F):
        name = field_of(part)
        annotation = query.annotations.get(name)
        return name == "?" or (annotation is not None and _calls_random(annotation, query))
    if str(getattr(part, "function", "")).upper() in _RANDOM:
        return True
    # A condition that is written in SQL has no parts.
    parts = part.get_source_expressions() if hasattr(part, "get_source_expressions") else ()
    return any(_calls_random(each, query) for each in parts if each is not None)


def cut(asked: QuerySet[Any], exporter: Exporter, columns: Sequence[Column]) -> QuerySet[Any]:
    """The rows that `asked` gives, each once and in no order, as a queryset for the readers.

    A range of keys can be added to it, and `columns` by `readers.projection.selected`, without
    another effect. Raises InvalidQueryset if a column needs what only `asked` itself has.
    """
    if not _obstacle(asked):
        if problem := _unreadable(asked, columns):
            raise InvalidQueryset(join([problem.what, problem.remedy]))
        return _plain(asked)
    declared = exporter.queryset.using(asked.db)
    sources = [every_row(asked.model, asked.db)]
    if _has_rows_of(declared, asked) and _has_values_of(declared.query, asked.query):
        sources.append(_plain(declared))
    return _taken_by_key(asked, exporter, columns, sources)


def narrowable(
    asked: QuerySet[Any], exporter: Exporter, columns: Sequence[Column]
) -> QuerySet[Any]:
    """`asked` for a FilterSet: whatever its filters do, they only narrow the rows that it has.

    Filters may name the annotations of the exporter's queryset. Raises as `cut`.
    """
    if not _chooses(asked):
        return asked
    declared = exporter.queryset.using(asked.db)
    own = every_row(asked.model, asked.db)
    sources = [own]
    if _has_rows_of(declared, asked) and (
        not _unreadable(own, columns) or _has_values_of(declared.query, asked.query)
    ):
        sources = [_plain(declared), own]
    return _taken_by_key(asked, exporter, columns, sources)


def lookup_rows(asked: QuerySet[Any], *, ordered: bool = False) -> QuerySet[Any]:
    """The rows of `asked` as a queryset to which any condition can be added.

    Without its order unless `ordered`, which a slice or a union loses in any case.
    """
    if _chooses(asked) or asked.query.group_by is not None:
        return every_row(asked.model, asked.db).filter(pk__in=keys(asked))
    return asked if ordered else _plain(asked)


def _chooses(queryset: QuerySet[Any]) -> bool:
    """Whether a condition that is added to `queryset` could give it rows that it did not have.

    Of a slice, another row comes after; of a window or of distinct() by fields, one that was not
    the first of its group. Django adds conditions before it chooses.
    """
    query = queryset.query
    return bool(
        query.combinator
        or query.is_sliced
        or query.distinct_fields
        or query.where.contains_over_clause
    )


def _taken_by_key(
    asked: QuerySet[Any],
    exporter: Exporter,
    columns: Sequence[Column],
    sources: Sequence[QuerySet[Any]],
) -> QuerySet[Any]:
    """The rows of `asked` from the first of `sources` of which `columns` can be read."""
    problem = None
    for source in sources:
        if not (found := _unreadable(source, columns)):
            return source.filter(pk__in=keys(asked))
        problem = problem or found
    assert problem is not None
    raise InvalidQueryset(
        Message(
            'The queryset of "%(exporter)s" cannot be split by primary key with all of '
            "its annotations, because of its %(obstacle)s. %(problem)s To fix this, "
            "select the rows with filter(pk__in=…), or compute the annotation with a "
            "Subquery in the exporter's queryset or columns.",
            exporter=exporter.name,
            obstacle=_obstacle(asked),
            problem=problem.what,
        )
    )


def _obstacle(asked: QuerySet[Any]) -> str:
    """Why a range of keys or a column would change its rows, as a noun; "" if nothing does."""
    query = asked.query
    if query.combinator:
        return f"{query.combinator}()"
    if query.is_sliced:
        return "slice"
    if query.distinct:
        return "distinct()"
    expressions: list[Any] = [*query.annotations.values(), query.where]
    if any(each.contains_over_clause for each in expressions):
        return "window function"
    return repeating_relation(asked)


def _plain(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Only which rows it has: without order, locks, and what it would load besides."""
    plain: QuerySet[Any] = queryset.order_by().select_related(None)
    plain.query.select_for_update = False
    return plain


# An OverflowError is of a date beyond the years that Python has, or of a number of SQLite's.
_UNSELECTABLE = (
    *(DatabaseError, FieldError, NotImplementedError, OverflowError, TypeError, ValueError),
)


def _check_numbers(params: Iterable[Any]) -> None:
    """Raises OverflowError, as SQLite's driver does when the query is run."""
    for value in params:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise OverflowError("A number is too large for SQLite.")


def check_sql(found: QuerySet[Any], exporter: Exporter) -> None:
    """Raises InvalidQueryset where Django cannot make SQL of `found` for its database."""
    try:
        # Of a copy: the compiler adds joins to the query that it is given.
        _, params = found.query.chain().get_compiler(found.db).as_sql()
        if connections[found.db].vendor == "sqlite":
            _check_numbers(params)
    except EmptyResultSet:
        pass  # It has no rows, which is fine.
    except _UNSELECTABLE as error:
        raise InvalidQueryset(
            Message(
                'The rows of "%(exporter)s" cannot be selected: %(problem)s Try '
                "filter(pk__in=…) instead.",
                exporter=exporter.name,
                problem=error,
            )
        ) from error


def incomparable(found: QuerySet[Any]) -> Exception | None:
    """Return the error that a value in `found` causes when Django makes SQL of it, or None.

    Such values are a year without days, and a range of one value.
    """
    try:
        found.query.chain().get_compiler(found.db).as_sql()
    except (IndexError, OverflowError, ValueError) as error:
        return error
    except (EmptyResultSet, *_UNSELECTABLE):
        pass  # It has no rows, or `check_sql` refuses it.
    return None


def has_own_scope(exporter: Exporter) -> bool:
    """Whether the exporter itself says which rows there are, and not only a manager of its model.

    Such a scope holds for the rows of an admin list, too.
    """
    if type(exporter).get_queryset is not Exporter.get_queryset:
        return True
    declared = exporter.queryset.query
    managers = exporter.queryset.model._meta.managers
    return bool(declared.where) and all(
        manager.get_queryset().query.where != declared.where for manager in managers
    )


def _has_rows_of(declared: QuerySet[Any], asked: QuerySet[Any]) -> bool:
    """Whether rows of `asked` may be read from the exporter's own queryset: it hides none."""
    models = {declared.model._meta.concrete_model, asked.model._meta.concrete_model}
    return len(models) == 1 and not _obstacle(declared) and not _hides(declared.query, asked.query)


def _hides(ours: Query, theirs: Query) -> bool:
    """Whether a row of `theirs` may be none of `ours`."""
    if theirs.combinator:
        return any(_hides(ours, each) for each in theirs.combined_queries)
    return any(each not in theirs.where.children for each in ours.where.children)


def _has_values_of(ours: Query, theirs: Query) -> bool:
    """Whether annotations that both have give each row of `theirs` the same values."""
    if theirs.combinator:
        return all(_has_values_of(ours, each) for each in theirs.combined_queries)
    means_the_same = all(
        theirs.annotations.get(name, expression) == expression
        for name, expression in ours.annotations.items()
    )
    aggregates = any(each.contains_aggregate for each in ours.annotations.values())
    # Another join multiplies what is aggregated, and a group is less than a row.
    differs = not many_of(theirs) <= many_of(ours) or bool(splitting_relation(theirs))
    return means_the_same and not (aggregates and differs)


def _unreadable(queryset: QuerySet[Any], columns: Iterable[Column]) -> Problem | None:
    """Why the first of `columns` that cannot be read from `queryset` cannot; None if all can."""
    problems = (each for column in columns for each in problems_of(queryset, column))
    return next(problems, None)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a column, and what its developer can do."""

    what: Message
    remedy: Message


def problems_of(queryset: QuerySet[Any], column: Column) -> Iterator[Problem]:
    """Why `column` cannot be read from `queryset`, or would change its rows. No query is run."""
    reads = [column.name if column.expression is None else column.expression]
    for path in column.needs if column.python else reads:
        expression: Any = F(path) if isinstance(path, str) else path
        try:
            found, relation = resolved(queryset, expression)
            found.output_field  # noqa: B018 - An expression that cannot tell its type raises here.
        except (FieldError, TypeError, ValueError) as error:
            yield Problem(
                _cannot_be_read(column, error),
                Message("Fix the field path, or set an `output_field`."),
            )
            continue
        if is_own_aggregate(queryset.model, expression):
            relation = repeats_beside_aggregate(queryset.model, expression)
        elif any(getattr(each, "set_returning", False) for each in found.flatten()):
            relation = column.name
        if relation:
            repeats = Message(
                '"%(relation)s" has several rows for each row, and would repeat it.',
                relation=relation,
            )
            yield Problem(
                _cannot_be_read(column, repeats),
                Message("Use a Subquery to pick one of them, or to aggregate them."),
            )
        if found.contains_aggregate and mixes_relations(queryset.model, expression):
            yield Problem(
                _cannot_be_read(
                    column,
                    Message("it aggregates over several relations, which multiplies the results."),
                ),
                Message("Use a separate column or a Subquery for each."),
            )
        if found.contains_over_clause:
            window = Message(
                "a window function would be computed separately for each page of rows."
            )
            yield Problem(_cannot_be_read(column, window), Message("Use a Subquery."))


def _cannot_be_read(column: Column, problem: object) -> Message:
    return Message(
        'The column "%(column)s" cannot be read: %(problem)s', column=column.name, problem=problem
    )
