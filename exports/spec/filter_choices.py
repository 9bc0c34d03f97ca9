"""Limit the choices of a FilterSet to values in rows that the user may see.

django-filter offers whole tables: all carriers, even if the user may see the flights of only one.
A choice outside the exporter's scope gets the same error message as one that does not exist.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef
from django.forms import ModelChoiceField, ModelMultipleChoiceField
from django_filters import AllValuesFilter, AllValuesMultipleFilter
from django_filters.utils import get_field_parts

from exports.exporters.querysets import lookup_rows

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms.models import ModelChoiceIterator
    from django_filters import Filter, FilterSet


def limit(filterset: FilterSet, scoped: QuerySet[Any], *, has_scope: bool) -> None:
    """Limit the choices of `filterset` to values in `scoped`, the rows that the user may see.

    Without a scope the user may see all rows, and a choice without a row is no secret. So with
    `has_scope=False` rows of related models stay as the FilterSet offers them.
    """
    rows = lookup_rows(scoped)
    # A FilterSet that has built its form in __init__ has already read its choices.
    has_form = hasattr(filterset, "_form")
    all_values = {
        name: each
        for name, each in filterset.filters.items()
        if isinstance(each, AllValuesFilter | AllValuesMultipleFilter)
    }
    for each in all_values.values():
        # These filters use only the field labels of a model and the rows of its manager.
        each.model = SimpleNamespace(_meta=rows.model._meta, _default_manager=rows)
    for name, field in filterset.form.fields.items():
        filter_ = filterset.filters.get(name)  # A project's form may have fields without a filter.
        if has_form and name in all_values:
            values = rows.order_by(filter_.field_name).values_list(filter_.field_name, flat=True)
            field.choices = [(value, value) for value in values.distinct()]
        elif has_scope and isinstance(field, ModelChoiceField) and filter_ is not None:
            _limit_to_rows(field, filter_, rows)


def _limit_to_rows(field: ModelChoiceField[Any], filter_: Filter, rows: QuerySet[Any]) -> None:
    """Limit `field` to choices that one of `rows` refers to, if rows refer to its model."""
    if (path := _path(field, filter_, rows)) is None:
        return
    lookup, outer = path
    assert field.queryset is not None
    choices = lookup_rows(field.queryset, ordered=True).using(rows.db)
    # For IN, SQLite reads the rows once. For EXISTS it would read all rows again for each choice
    # without a row in the scope.
    listed = choices.filter(**{f"{outer}__in": rows.values(lookup)})
    if isinstance(field, ModelMultipleChoiceField):
        field.queryset = listed
        return

    def limited_iterator(field: ModelChoiceField[Any]) -> ModelChoiceIterator[Any]:
        iterator = type(field).iterator(field)
        iterator.queryset = listed
        return iterator

    field.iterator = limited_iterator  # type: ignore[assignment]  # Django only calls it.
    # This queryset validates a single choice, for which IN would read all rows.
    field.queryset = choices.filter(Exists(rows.filter(**{lookup: OuterRef(outer)})))


def _path(
    field: ModelChoiceField[Any], filter_: Filter, rows: QuerySet[Any]
) -> tuple[str, str] | None:
    """Return the lookup from a row to a choice, and the field of the choice.

    None if the rows do not refer to the choices of the `field`.
    """
    parts = get_field_parts(rows.model, filter_.field_name)
    if not parts:
        return None
    name, last = "__".join(part.name for part in parts), parts[-1]
    if last.is_relation:
        assert field.queryset is not None
        related, chosen = last.related_model, field.queryset.model
        if related is None or related._meta.concrete_model is not chosen._meta.concrete_model:
            return None
        return f"{name}__pk", "pk"
    return (name, str(field.to_field_name)) if field.to_field_name else None
