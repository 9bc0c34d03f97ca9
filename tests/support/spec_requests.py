"""Requests and exporters for tests of what a spec depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.test import RequestFactory

from demo.models import Flight
from exports.exporters import Exporter
from tests.support.exporting import registered

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django_filters import FilterSet


def request_of(user: User, **attributes: Any) -> HttpRequest:
    """Return a request as a view gets it, with the attributes of middleware."""
    request = RequestFactory().get("/")
    request.user = user
    for name, value in attributes.items():
        setattr(request, name, value)
    return request


def keys(found: QuerySet[Any]) -> list[Any]:
    return sorted(found.values_list("pk", flat=True))


def flights_by(
    filterset: type[FilterSet] | None, **attributes: Any
) -> AbstractContextManager[None]:
    """Register the exporter "narrowed", which has the keys of flights, during a block."""
    members = {
        "name": "narrowed",
        "queryset": Flight.objects.all(),
        "columns": ["id"],
        "permission": "demo.export_flight",
        "filterset": filterset,
    }
    return registered(type("Narrowed", (Exporter,), {**members, **attributes}))
