"""Find the columns that cannot be read from a queryset. No query is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.db.models import F

from exports.exporters.joins import (
    is_own_aggregate,
    mixes_relations,
    resolved,
    to_many_beside_aggregate,
)
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

    from exports.exporters.base import Column


@dataclass(frozen=True)
class Problem:
    """What is wrong with a column, and what its developer can do."""

    what: Message
    remedy: Message


def first_problem(queryset: QuerySet[Any], columns: Iterable[Column]) -> Problem | None:
    """Return the first problem of `columns`; None if `queryset` has all of them."""
    problems = (each for column in columns for each in problems_of(queryset, column))
    return next(problems, None)


def problems_of(queryset: QuerySet[Any], column: Column) -> Iterator[Problem]:
    """Yield why `column` cannot be read from `queryset`, or would change its rows."""
    reads = [column.name if column.expression is None else column.expression]
    for path in column.needs if column.python else reads:
        expression: Any = F(path) if isinstance(path, str) else path
        for problem, remedy in _problems(queryset, expression, column.name):
            what = Message(
                'The column "%(column)s" cannot be read: %(problem)s',
                column=column.name,
                problem=problem,
            )
            yield Problem(what, remedy)


def _problems(
    queryset: QuerySet[Any], expression: Any, name: str
) -> Iterator[tuple[object, Message]]:
    try:
        found, relation = resolved(queryset, expression)
        found.output_field  # noqa: B018 - This raises if the type is unknown.
    except (FieldError, TypeError, ValueError) as error:
        yield error, Message("Fix the field path, or set an `output_field`.")
        return
    if is_own_aggregate(queryset.model, expression):
        relation = to_many_beside_aggregate(queryset.model, expression)
    elif any(getattr(each, "set_returning", False) for each in found.flatten()):
        relation = name
    if relation:
        yield (
            Message(
                '"%(relation)s" has several rows for each row, and would repeat it.',
                relation=relation,
            ),
            Message("Use a Subquery to pick one of them, or to aggregate them."),
        )
    if found.contains_aggregate and mixes_relations(queryset.model, expression):
        yield (
            Message("it aggregates over several relations, which multiplies the results."),
            Message("Use a separate column or a Subquery for each."),
        )
    if found.contains_over_clause:
        yield (
            Message("a window function would be computed separately for each page of rows."),
            Message("Use a Subquery."),
        )
