"""Which values a FilterSet offers and takes: those that occur in rows that the user may see.

django-filter lists whole tables: all carriers, though the exporter's scope has the flights of
one. A choice outside of the scope is refused in the same words as one that does not exist.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef
from django.forms import ModelChoiceField, ModelMultipleChoiceField
from django_filters import AllValuesFilter, AllValuesMultipleFilter
from django_filters.utils import get_field_parts

from exports.queryset import lookup_rows

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms.models import ModelChoiceIterator
    from django_filters import Filter, FilterSet


def limit(made: FilterSet, scoped: QuerySet[Any], *, has_scope: bool) -> None:
    """Limit the choices of `made` to values in `scoped`, the rows that the user may see.

    Without a scope, `has_scope=False`, rows of related models stay as the FilterSet has them:
    then the user may see all rows, and a choice without a row is no secret.
    """
    rows = lookup_rows(scoped)
    has_form = hasattr(made, "_form")  # Some are made in __init__, to change a field.
    listing = {
        name: each
        for name, each in made.filters.items()
        if isinstance(each, AllValuesFilter | AllValuesMultipleFilter)
    }
    for each in listing.values():
        # All that they take of a model: the labels of its fields, and the rows of its manager.
        each.model = SimpleNamespace(_meta=rows.model._meta, _default_manager=rows)
    for name, field in made.form.fields.items():
        each = made.filters.get(name)
        if has_form and name in listing:
            values = rows.order_by(each.field_name).values_list(each.field_name, flat=True)
            field.choices = [(value, value) for value in values.distinct()]
        elif has_scope and isinstance(field, ModelChoiceField) and each is not None:
            _limit_to_rows(field, each, rows)


def _limit_to_rows(field: ModelChoiceField[Any], each: Filter, rows: QuerySet[Any]) -> None:
    """Let `field` have the choices that one of `rows` has; all if `rows` name no such model."""
    if (path := _path(field, each, rows)) is None:
        return
    lookup, outer = path
    assert field.queryset is not None
    choices = lookup_rows(field.queryset, ordered=True).using(rows.db)
    # SQLite reads the rows once. With EXISTS it would read, for each choice that has none of
    # them, all rows of that choice.
    listed = choices.filter(**{f"{outer}__in": rows.values(lookup)})
    if isinstance(field, ModelMultipleChoiceField):
        field.queryset = listed
        return

    def iterator(field: ModelChoiceField[Any]) -> ModelChoiceIterator[Any]:
        made = type(field).iterator(field)
        made.queryset = listed
        return made

    field.iterator = iterator  # type: ignore[assignment]  # Django calls it, and no more.
    # To validate one choice, a list of them would read all rows.
    field.queryset = choices.filter(Exists(rows.filter(**{lookup: OuterRef(outer)})))


def _path(
    field: ModelChoiceField[Any], each: Filter, rows: QuerySet[Any]
) -> tuple[str, str] | None:
    """How a row names a choice, and what of the choice it names."""
    parts = get_field_parts(rows.model, each.field_name)
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
