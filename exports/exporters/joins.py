"""Add columns to a queryset without losing, repeating or changing its rows.

Django joins a required foreign key with INNER JOIN, which drops rows with a dangling key. It also
joins all to-many relations of a query to the same rows, so that two aggregates multiply each other.
A file must have neither fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.db.models import Aggregate, F, Field, ForeignObjectRel, OuterRef, QuerySet, Subquery
from django.db.models.expressions import Col
from django.db.models.sql.constants import INNER
from django.db.models.sql.datastructures import Join

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Model
    from django.db.models.sql import Query


def every_row(model: type[Model], using: str | None = None) -> QuerySet[Any]:
    """Return all rows of `model`. A project's managers, even the base manager, may hide some."""
    return QuerySet(model=model, using=using)


def repeating_relation(queryset: QuerySet[Any]) -> str:
    """Return the relation through which `queryset` may return a row more than once, or "".

    Such a row would be counted twice, and lost if a page of rows ends between its copies.
    """
    query = queryset.query
    if query.group_by is not None and (relation := splitting_relation(query)):
        return relation
    many = dict(_joins_with_many(query))
    if not many:
        return "extra()" if query.extra_tables else ""
    return next(iter(many.values())) if query.group_by is None else ""


def splitting_relation(query: Query) -> str:
    """Return the to-many relation by which an aggregate `query` groups, or "".

    Grouping by such a relation splits a row into several groups. Without it, each row is one group.
    """
    query = query.chain()
    return _to_many_of(query, list(_grouped_by(query)))


def _grouped_by(query: Query) -> Iterator[Col]:
    """Yield the columns by which Django groups an aggregate query, apart from those of its model.

    This changes `query`: it gets the joins of its order.
    """
    for annotation in query.annotations.values():
        yield from _unaggregated(annotation)
    _, having, _ = query.where.split_having_qualify(must_group_by=True)
    if having is not None:
        yield from _unaggregated(having)
    for each in query.order_by:
        order: Any = F(each.lstrip("-+")) if isinstance(each, str) else each
        if each != "?":
            yield from _unaggregated(order.resolve_expression(query, allow_joins=True))


def _joins_with_many(query: Query) -> Iterator[tuple[str, str]]:
    """Yield alias and relation of each to-many join."""
    for alias, table in query.alias_map.items():
        relation = getattr(table, "join_field", None)
        # To-many relations are followed backwards, or through the table of a ManyToManyField.
        if (
            isinstance(relation, ForeignObjectRel)
            and not relation.one_to_one
            and query.alias_refcount[alias]
        ):
            yield alias, str(relation.name)


def to_many_aliases(query: Query) -> set[str]:
    """Return the aliases of the to-many joins of `query`. Such joins multiply its aggregates."""
    return {alias for alias, _ in _joins_with_many(query)}


def resolved(queryset: QuerySet[Any], expression: Any) -> tuple[Any, str]:
    """Resolve `expression` in `queryset`; also return the to-many relation that it joins, or "".

    Raise FieldError for a name that the queryset does not have.
    """
    query = queryset.query.chain()
    before = dict(_joins_with_many(query))
    found = expression.resolve_expression(query, allow_joins=True)
    many = dict(_joins_with_many(query))
    # An existing join does not repeat rows of a grouped query, but selecting its columns does.
    reached = _reached(query, _unaggregated(found))
    new = [name for alias, name in many.items() if alias not in before or alias in reached]
    return found, new[0] if new else ""


def to_many_beside_aggregate(model: type[Model], expression: Any) -> str:
    """Return the to-many relation that `expression` reads outside of its aggregates, or ""."""
    query = every_row(model).query
    found = expression.resolve_expression(query, allow_joins=True)
    return _to_many_of(query, _unaggregated(found))


def _to_many_of(query: Query, columns: Iterable[Col]) -> str:
    """Return the first to-many relation that one of `columns` is read through, or ""."""
    reached = _reached(query, columns)
    return next((name for alias, name in _joins_with_many(query) if alias in reached), "")


def _unaggregated(expression: Any) -> Iterator[Col]:
    """Yield the columns that `expression` reads outside of aggregates."""
    if isinstance(expression, Col):
        yield expression
    elif isinstance(expression, Subquery):
        yield from expression.get_external_cols()
    elif not isinstance(expression, Aggregate):
        for each in expression.get_source_expressions():
            if each is not None:
                yield from _unaggregated(each)


def mixes_relations(model: type[Model], expression: Any) -> bool:
    """Return whether `expression` aggregates over several to-many relations.

    Their rows would multiply each other.
    """
    query = every_row(model).query
    try:
        found = expression.resolve_expression(query, allow_joins=True)
    except FieldError:
        return False  # It aggregates annotations, which the query has already computed.
    many = to_many_aliases(query)
    joined = {
        frozenset(
            _reached(query, (each for each in part.flatten() if isinstance(each, Col))) & many
        )
        for part in found.flatten()
        if isinstance(part, Aggregate)
    }
    return len(joined) > 1


def _reached(query: Query, columns: Iterable[Col]) -> set[str]:
    """Return the aliases of the tables of `columns`, and of all tables on the way to them."""
    reached = set()
    for column in columns:
        alias: str | None = column.alias
        while alias is not None:
            reached.add(alias)
            alias = getattr(query.alias_map.get(alias), "parent_alias", None)
    return reached


def number_of_rows(queryset: QuerySet[Any]) -> int:
    """Return how many rows `queryset` has.

    count() alone drops unused annotations, and with them joins that may change the number.
    """
    return queryset.order_by().values("pk").count()


def tables_of(queryset: QuerySet[Any]) -> set[str]:
    """Return the aliases of the tables that `queryset` reads from.

    Django also keeps the aliases of joins that turned out to be unnecessary.
    """
    counts = queryset.query.alias_refcount
    return {alias for alias in queryset.query.alias_map if counts[alias]}


def keep_rows(queryset: QuerySet[Any], kept: Iterable[str]) -> None:
    """Turn each INNER JOIN of `queryset` whose alias is not in `kept` into a LEFT OUTER JOIN.

    This changes `queryset`, and also adds the joins of its order to it. So call it last.
    """
    query = queryset.query
    query.get_compiler(queryset.db).pre_sql_setup()
    for alias in set(query.alias_map) - set(kept):
        join = query.alias_map[alias]
        if isinstance(join, Join) and join.join_type == INNER:
            query.alias_map[alias] = join.promote()


def aggregate_subquery(
    model: type[Model], expression: Any, output_field: Field[Any, Any]
) -> Subquery:
    """Return a subquery that computes `expression`, an aggregate, for each row.

    In a subquery, no other join multiplies the aggregate, and no filter restricts it.
    """
    names = [field.attname for field in model._meta.pk_fields]
    row = every_row(model).filter(**{name: OuterRef(name) for name in names})
    # Without a group, an aggregate would also return a value for a row that does not exist.
    values = row.order_by().values(*names).annotate(_aggregate=expression).values("_aggregate")
    keep_rows(values, kept=tables_of(row))
    return Subquery(values, output_field=output_field)


def is_own_aggregate(model: type[Model], expression: Any) -> bool:
    """Return whether `expression` aggregates relations of `model`, and not annotations."""
    try:
        found, _ = resolved(every_row(model), expression)
    except FieldError:
        return False
    return bool(found.contains_aggregate)
