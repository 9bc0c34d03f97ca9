"""Refuse querysets that cannot be exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import EmptyResultSet, FieldError
from django.db import DatabaseError, connections
from django.db.models import F, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from exports.exceptions import InvalidQueryset
from exports.exporters.keys import field_of
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import Model

    from exports.exporters.base import Exporter


def validated(found: Any, model: type[Model], where: str) -> QuerySet[Any]:
    """Return `found`, which `where` has returned, if it is a queryset of rows of `model`.

    Raise InvalidQueryset otherwise. The result is bound to its database, because a router may
    choose another replica each time.
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


def _is_random(query: Query) -> bool:
    """Return whether `query` may select other rows each time."""
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
    function = str(getattr(part, "function", "")).upper()
    if function in {"RAND", "RANDOM", "GEN_RANDOM_UUID", "UUID_GENERATE_V4"}:
        return True
    # A condition in raw SQL has no parts.
    parts = part.get_source_expressions() if hasattr(part, "get_source_expressions") else ()
    return any(_calls_random(each, query) for each in parts if each is not None)


# The errors that Django may raise when it makes SQL. An OverflowError is a date beyond Python's
# years, or a number beyond SQLite's.
_SQL_ERRORS = (DatabaseError, FieldError, NotImplementedError, OverflowError, TypeError, ValueError)


def _params(found: QuerySet[Any]) -> Sequence[Any]:
    """Make SQL of `found`; return its parameters."""
    # The compiler adds joins to its query, so it gets a copy.
    return cast("Sequence[Any]", found.query.chain().get_compiler(found.db).as_sql()[1])


def check_sql(found: QuerySet[Any], exporter: Exporter) -> None:
    """Raise InvalidQueryset if Django cannot make SQL of `found` for its database."""
    try:
        numbers = [value for value in _params(found) if isinstance(value, int)]
        # SQLite's driver would raise this error when the query is run.
        if connections[found.db].vendor == "sqlite" and not all(
            -(2**63) <= number < 2**63 for number in numbers
        ):
            raise OverflowError("A number is too large for SQLite.")
    except EmptyResultSet:
        pass  # A queryset without rows can be exported.
    except _SQL_ERRORS as error:
        raise InvalidQueryset(
            Message(
                'The rows of "%(exporter)s" cannot be selected: %(problem)s Try '
                "filter(pk__in=…) instead.",
                exporter=exporter.name,
                problem=error,
            )
        ) from error


def comparison_error(found: QuerySet[Any]) -> Exception | None:
    """Return the error that a value in a condition of `found` causes, or None.

    Examples are a year that has no days, and a range with only one end.
    """
    try:
        _params(found)
    except (IndexError, OverflowError, ValueError) as error:
        return error
    except (EmptyResultSet, *_SQL_ERRORS):
        pass  # It has no rows, or `check_sql` refuses it.
    return None
