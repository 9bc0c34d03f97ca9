"""The primary keys of any queryset, for a condition `pk IN (…)`.

A slice, a union or distinct() by fields means certain rows only with its order, its limit and
what it selects beside the keys. What Django cannot ask for without losing that is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F

from exports.exceptions import InvalidQueryset
from exports.exporters.joins import repeating_relation
from exports.i18n.message import Message

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.db.models.expressions import OrderBy
    from django.db.models.sql import Query


def keys(asked: QuerySet[Any]) -> QuerySet[Any]:
    """The primary keys of `asked`, for `pk__in`. Which rows a slice takes is settled by key."""
    found = asked.all()
    query = found.query
    query.select_for_update = False
    _refuse_composite(found)
    if query.combinator:
        return _keys_of_combined(found)
    chooses = query.is_sliced or query.distinct_fields
    if not chooses:
        query.distinct = False  # Keys are compared with, and not counted.
        return found.order_by().values("pk")
    is_distinct = query.distinct and not query.distinct_fields and query.annotations
    is_grouped = query.group_by is not None and repeating_relation(found)
    if query.is_sliced and (is_distinct or is_grouped):
        raise InvalidQueryset(
            Message(
                "The annotations of this queryset change which rows it returns, so a slice "
                "of it cannot be exported. Select the rows with filter(pk__in=…)."
            )
        )
    # Between rows that are equal in its order, the database may choose others the next time.
    if not query.order_by and query.default_ordering and not query.extra_order_by:
        query.add_ordering(*(query.get_meta().ordering or ()))
    if not query.extra_order_by:
        query.add_ordering(*_missing_order(query))
    return found.values("pk")


def _missing_order(query: Query) -> list[OrderBy]:
    """What has to follow the order of `query`, so that its rows are chosen by key in the end.

    The fields of distinct() come first: PostgreSQL wants all of them before anything else.
    """
    names = {field_of(order) for order in query.order_by}
    fields = [] if "pk" in names else [field.attname for field in query.get_meta().pk_fields]
    wanted = dict.fromkeys([*query.distinct_fields, *fields])
    return [F(name).asc() for name in wanted if name not in names]


def field_of(order: Any) -> str:
    """The field by which `order` sorts; "" if it is no field."""
    if isinstance(order, str):
        return order.lstrip("-+")
    return getattr(getattr(order, "expression", order), "name", "")


def _refuse_composite(found: QuerySet[Any]) -> None:
    """Raises InvalidQueryset where a key of several fields cannot be looked up in `found`.

    Where a database has no tuples, Django asks for each row whether `found` has it, which means
    another thing in a slice, in a union or beside a window function.
    """
    query = found.query
    expressions: list[Any] = [*query.annotations.values(), query.where]
    chooses = query.combinator or query.is_sliced or query.distinct_fields
    if len(query.get_meta().pk_fields) > 1 and (
        chooses or any(each.contains_over_clause for each in expressions)
    ):
        raise InvalidQueryset(
            Message(
                "%(model)s has a composite primary key. Its rows cannot be selected with a "
                "slice, a union, distinct() on fields or a window function. Use filter() "
                "instead.",
                model=found.model._meta.label,
            )
        )


def _keys_of_combined(found: QuerySet[Any]) -> QuerySet[Any]:
    query = found.query
    # Whole rows are compared, and counted by a slice.
    counts_rows = query.combinator != "union" or query.is_sliced
    if counts_rows and any(each.annotation_select for each in query.combined_queries):
        raise InvalidQueryset(
            Message(
                "%(combinator)s() also compares annotations, but an export selects rows by "
                "primary key. Select the rows with filter(pk__in=…).",
                combinator=query.combinator,
            )
        )
    if not query.is_sliced:
        return found.order_by().values("pk")
    # Its order may be by fields that are not selected, so the keys are taken around it.
    names = [field.attname for field in query.get_meta().pk_fields]
    ordered = {order.lstrip("-+") for order in query.order_by if isinstance(order, str)}
    if len(query.order_by) == 1 and ordered <= {"pk", *names}:
        [order] = query.order_by
        query.order_by = ("-pk" if str(order).startswith("-") else "pk",)
        return found.values("pk")
    raise InvalidQueryset(
        Message(
            "A slice of %(combinator)s() must be ordered by primary key. Add "
            'order_by("pk") before the slice, or select the rows with filter(pk__in=…).',
            combinator=query.combinator,
        )
    )
