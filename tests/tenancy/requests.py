"""The tenant and the time zone of a request, and how an export keeps the tenant."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.utils import timezone

TENANT, ZONE = "X-Tenant", "X-Zone"
ROWS = 10  # Flights of a tenant: those of tenant 2 have the keys 11 to 20.


def tenancy(get_response):
    """A middleware: the headers say whose rows are asked for, and where the user is."""

    def answer(request):
        request.tenant = int(request.headers.get(TENANT, "1"))
        with timezone.override(ZoneInfo(request.headers.get(ZONE, "UTC"))):
            return get_response(request)

    return answer


class Tenants:
    """What EXPORTS_REQUEST_CONTEXT names."""

    def save(self, request):
        return {"tenant": request.tenant}

    def restore(self, request, saved):
        request.tenant = saved["tenant"]


def rows_of(tenant):
    """The condition for its flights."""
    return {"pk__gt": (tenant - 1) * ROWS, "pk__lte": tenant * ROWS}


def keys_of(tenant):
    return list(range((tenant - 1) * ROWS + 1, tenant * ROWS + 1))
