"""How columns are added to a queryset without losing, repeating or changing its rows.

Django joins a required foreign key with INNER JOIN, which drops a row whose key points
nowhere. And it joins every to-many relation of a query to the same rows, so that two
aggregates multiply each other. A file must have neither fault.
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
    """All rows of `model`. Any manager, also the base manager, may be a project's and hide some."""
    return QuerySet(model=model, using=using)


def repeating_relation(queryset: QuerySet[Any]) -> str:
    """The relation through which `queryset` may give a row more than once; "" if there is none.

    A row that comes twice would be counted twice, and lost where a page of rows ends
    between the two.
    """
    query = queryset.query
    if query.group_by is not None and (relation := splitting_relation(query)):
        return relation
    many = dict(_joins_with_many(query))
    if not many:
        return "extra()" if query.extra_tables else ""
    return next(iter(many.values())) if query.group_by is None else ""


def splitting_relation(query: Query) -> str:
    """The to-many relation by which `query`, which aggregates, makes several groups of a row, or "".

    Otherwise an aggregate makes one row again of the many that were joined to it.
    """
    query = query.chain()
    grouped = _reached(query, list(_grouped_by(query)))
    return next((name for alias, name in _joins_with_many(query) if alias in grouped), "")


def _grouped_by(query: Query) -> Iterator[Col]:
    """The columns by which Django groups a query with aggregates, besides those of the model.

    Adds the joins of its order to `query`.
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
    """The alias and relation of each join to a table with several rows for one."""
    for alias, table in query.alias_map.items():
        relation = getattr(table, "join_field", None)
        # A relation followed backwards, or through the table of a ManyToManyField.
        if (
            isinstance(relation, ForeignObjectRel)
            and not relation.one_to_one
            and query.alias_refcount[alias]
        ):
            yield alias, str(relation.name)


def many_of(query: Query) -> set[str]:
    """The aliases of tables by whose rows `query` multiplies what it aggregates."""
    return {alias for alias, _ in _joins_with_many(query)}


def _aliases_in(expression: Any) -> set[str]:
    return {each.alias for each in expression.flatten() if isinstance(each, Col)}


def resolved(queryset: QuerySet[Any], expression: Any) -> tuple[Any, str]:
    """`expression` as `queryset` reads it, and the to-many relation that it would join, or "".

    Raises FieldError for a name that the queryset does not have.
    """
    query = queryset.query.chain()
    before = dict(_joins_with_many(query))
    found = expression.resolve_expression(query, allow_joins=True)
    many = dict(_joins_with_many(query))
    # A join that is there already repeats no row of a grouped query, but its columns would.
    named = _reached(query, _unaggregated(found))
    new = [name for alias, name in many.items() if alias not in before or alias in named]
    return found, new[0] if new else ""


def repeats_beside_aggregate(model: type[Model], expression: Any) -> str:
    """The to-many relation that `expression`, an aggregate of `model`, reads outside of it, or ""."""
    query = every_row(model).query
    found = expression.resolve_expression(query, allow_joins=True)
    named = _reached(query, _unaggregated(found))
    return next((name for alias, name in _joins_with_many(query) if alias in named), "")


def _unaggregated(expression: Any) -> Iterator[Col]:
    """The columns that `expression` reads outside of aggregates."""
    if isinstance(expression, Col):
        yield expression
    elif isinstance(expression, Subquery):
        yield from expression.get_external_cols()
    elif not isinstance(expression, Aggregate):
        for each in expression.get_source_expressions():
            if each is not None:
                yield from _unaggregated(each)


def mixes_relations(model: type[Model], expression: Any) -> bool:
    """Whether `expression` aggregates over several to-many relations, which multiply each other."""
    query = every_row(model).query
    try:
        found = expression.resolve_expression(query, allow_joins=True)
    except FieldError:
        return False  # Of annotations, each of which is computed already.
    many = dict(_joins_with_many(query))
    joined = {
        frozenset(
            alias for each in _aliases_in(part) for alias in _up(query, each) if alias in many
        )
        for part in found.flatten()
        if isinstance(part, Aggregate)
    }
    return len(joined) > 1


def _reached(query: Query, columns: Iterable[Col]) -> set[str]:
    """The tables of `columns` and those over which they are joined."""
    return {alias for column in columns for alias in _up(query, column.alias)}


def _up(query: Query, alias: str | None) -> Iterator[str]:
    """`alias` and the tables over which it is joined."""
    while alias is not None:
        yield alias
        alias = getattr(query.alias_map.get(alias), "parent_alias", None)


def number_of_rows(queryset: QuerySet[Any]) -> int:
    """How many rows evaluating `queryset` gives.

    count() alone leaves out annotations that nothing names, and with them their joins.
    """
    return queryset.order_by().values("pk").count()


def tables_of(queryset: QuerySet[Any]) -> set[str]:
    """The aliases of the tables that `queryset` reads from.

    Django also remembers joins that it did not need, because it compares with a key alone.
    """
    counts = queryset.query.alias_refcount
    return {alias for alias in queryset.query.alias_map if counts[alias]}


def keep_rows(queryset: QuerySet[Any], kept: Iterable[str]) -> None:
    """Turn each INNER JOIN of `queryset` whose alias is not in `kept` into a LEFT OUTER JOIN.

    Changes `queryset`, which must be complete: the joins of its order are made here.
    """
    query = queryset.query
    query.get_compiler(queryset.db).pre_sql_setup()
    for alias in set(query.alias_map) - set(kept):
        join = query.alias_map[alias]
        if isinstance(join, Join) and join.join_type == INNER:
            query.alias_map[alias] = join.promote()


def isolated(model: type[Model], expression: Any, output_field: Field[Any, Any]) -> Subquery:
    """`expression`, an aggregate, computed for each row by itself.

    In a query of its own no other join multiplies what is aggregated, and no filter narrows it.
    """
    names = [field.attname for field in model._meta.pk_fields]
    row = every_row(model).filter(**{name: OuterRef(name) for name in names})
    # Grouped by the key: an aggregate over no group would be of a row that is not there.
    values = row.order_by().values(*names).annotate(_aggregate=expression).values("_aggregate")
    keep_rows(values, kept=tables_of(row))
    return Subquery(values, output_field=output_field)


def is_own_aggregate(model: type[Model], expression: Any) -> bool:
    """Whether `expression` aggregates relations of `model`, and no annotation of a queryset."""
    try:
        found, _ = resolved(every_row(model), expression)
    except FieldError:
        return False
    return bool(found.contains_aggregate)
