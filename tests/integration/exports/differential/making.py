"""Examples made real: an exporter that is registered, its FilterSet, and an admin list."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import django_filters
from django.contrib import admin
from django.http import QueryDict
from django.test import RequestFactory

from exports.exporters import Exporter, registry
from tests.integration.exports.differential import columns, models, steps
from tests.support.exporting import registered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User

    from tests.integration.exports.differential.strategies import Example

NAME = "differential"


@dataclass
class Made:
    """What a project would have written, and what one of its users asks for."""

    user: User
    model: type[Any]
    exporter: Exporter
    filters: dict[str, str] = field(default_factory=dict)
    changelist: dict[str, Any] | None = None
    model_admin: admin.ModelAdmin[Any] | None = None
    ticked: list[Any] | None = None

    @property
    def request(self) -> Any:
        """The request for the admin list."""
        query = "" if self.changelist is None else self.changelist["query"]
        request = RequestFactory().get(f"/?{query}")
        request.user = self.user
        return request

    @property
    def data(self) -> QueryDict:
        """The filters, as a query string has them."""
        data = QueryDict(mutable=True)
        data.update(self.filters)
        return data


def _filterset(example: Example) -> Any:
    class Filters(django_filters.FilterSet):
        step = django_filters.CharFilter(method="by_step")

        def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
            if example.is_default:
                data = QueryDict(mutable=True) if data is None else data.copy()
                data.setdefault("step", example.chosen)
            super().__init__(data, *args, **kwargs)

        def by_step(self, queryset: Any, name: str, value: str) -> Any:
            return steps.apply(queryset, (value,))

        @property
        def qs(self) -> Any:
            return steps.apply(super().qs, example.qs or ())

    return Filters


def _exporter(example: Example) -> type[Exporter]:
    model = example.model
    body: dict[str, Any] = {
        "__module__": __name__,
        "name": NAME,
        "queryset": steps.apply(model._default_manager.all(), example.declared),
        "permission": f"{model._meta.app_label}.view_{model._meta.model_name}",
        "columns": [
            columns.COLUMNS[name].column(model) if name in columns.COLUMNS else name
            for name in example.columns
        ],
    }
    if example.scope is not None:
        scope = example.scope
        body["get_queryset"] = lambda self, user: steps.apply(self.queryset.all(), scope)
    if example.qs is not None or example.chosen:
        body["filterset"] = _filterset(example)
    return type("Differential", (Exporter,), body)


def _model_admin(example: Example) -> type[admin.ModelAdmin[Any]]:
    listing = example.listing
    assert listing is not None

    class ByStep(admin.SimpleListFilter):
        title = parameter_name = "step"

        def lookups(self, request: Any, model_admin: Any) -> Any:
            return [(name, name) for name in steps.STEPS]

        def queryset(self, request: Any, queryset: Any) -> Any:
            return steps.apply(queryset, (self.value(),)) if self.value() else None

    class List(admin.ModelAdmin):  # type: ignore[type-arg]
        list_filter = (ByStep, "group", "place__name")
        search_fields = ("text", *(["items__text"] if models.has_family(example.model) else []))
        list_display = ("pk", "number")

        def get_queryset(self, request: Any) -> Any:
            manager = getattr(self.model, listing.manager)
            return steps.apply(manager.all(), listing.steps)

    return List


def _query(example: Example) -> str:
    data = QueryDict(mutable=True)
    if example.listing is not None:
        if example.listing.filter:
            data["step"] = example.listing.filter
        data.update(QueryDict(example.listing.query))
    return data.urlencode()


@contextmanager
def made(example: Example, user: User) -> Iterator[Made]:
    """The exporter and the list are registered for the block. Raises DefinitionError."""
    with registered(_exporter(example)):
        found = Made(user, example.model, registry.get(NAME))
        if example.chosen and not example.is_default:
            found.filters = {"step": example.chosen}
        if (listing := example.listing) is None:
            yield found
            return
        found.changelist = {"model": example.model._meta.label_lower, "query": _query(example)}
        if listing.order:
            found.changelist["order"] = list(listing.order)
        if listing.ticked is not None:
            is_view = example.model is models.Seen
            keys = [row.group if is_view else row.key for row in example.rows]
            ticked = [keys[number] for number in listing.ticked if number < len(keys)]
            found.ticked = [key for key in ticked if key is not None]
            found.changelist["keys"] = [_ticked(example.model, key) for key in found.ticked]
        admin.site.register(example.model, _model_admin(example))
        try:
            found.model_admin = admin.site.get_model_admin(example.model)
            yield found
        finally:
            admin.site.unregister(example.model)


def _ticked(model: type[Any], key: Any) -> Any:
    """A key as the page of the list sends it: as text."""
    field = model._meta.pk
    return field.value_to_string(model(pk=key))
