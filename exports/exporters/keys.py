"""Select the primary keys of any queryset, for a condition `pk IN (…)`.

Which rows a slice, a union or distinct() on fields returns depends on its order, its limit and its
other selected columns. A queryset is refused if Django cannot select its keys without losing these.
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


def keys(requested: QuerySet[Any]) -> QuerySet[Any]:
    """Return the primary keys of `requested`, for `pk__in`.

    Where the order of a slice or of distinct() leaves open which rows it has, the key decides.
    """
    found = requested.all()
    query = found.query
    query.select_for_update = False
    _refuse_composite(found)
    if query.combinator:
        return _keys_of_combined(found)
    chooses = query.is_sliced or query.distinct_fields
    if not chooses:
        query.distinct = False  # A repeated key does not matter in a condition.
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
    # Among rows that are equal in this order, the database may choose different ones each time.
    if not query.order_by and query.default_ordering and not query.extra_order_by:
        query.add_ordering(*(query.get_meta().ordering or ()))
    if not query.extra_order_by:
        query.add_ordering(*_missing_order(query))
    return found.values("pk")


def _missing_order(query: Query) -> list[OrderBy]:
    """Return the order to add to `query`, so that the key decides among equal rows.

    The fields of distinct() come first, as PostgreSQL demands.
    """
    names = {field_of(order) for order in query.order_by}
    fields = [] if "pk" in names else [field.attname for field in query.get_meta().pk_fields]
    fields_to_add = dict.fromkeys([*query.distinct_fields, *fields])
    return [F(name).asc() for name in fields_to_add if name not in names]


def field_of(order: Any) -> str:
    """Return the field by which `order` sorts; "" if it is not a field."""
    if isinstance(order, str):
        return order.lstrip("-+")
    return getattr(getattr(order, "expression", order), "name", "")


def _refuse_composite(found: QuerySet[Any]) -> None:
    """Raise InvalidQueryset if a composite key cannot be looked up in `found`.

    For a database without tuples, Django checks each row with a correlated subquery. In a slice, a
    union or with a window function, such a subquery has another meaning.
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
    # Set operations compare whole rows. In a union this only decides which rows are repeated, and a
    # condition ignores repeated keys, but a slice counts them.
    compares_rows = query.combinator != "union" or query.is_sliced
    if compares_rows and any(each.annotation_select for each in query.combined_queries):
        raise InvalidQueryset(
            Message(
                "%(combinator)s() also compares annotations, but an export selects rows by "
                "primary key. Select the rows with filter(pk__in=…).",
                combinator=query.combinator,
            )
        )
    if not query.is_sliced:
        return found.order_by().values("pk")
    # Only the keys are selected, so only they can be sorted by.
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
