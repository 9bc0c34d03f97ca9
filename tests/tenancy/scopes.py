"""An exporter and an admin list that show the rows of the request's tenant, or of a default."""

from __future__ import annotations

import django_filters

from demo.admin import FlightAdmin
from demo.models import Flight
from exports.exporters import Exporter
from tests.tenancy.requests import rows_of


class OfTenant(django_filters.FilterSet):
    number = django_filters.NumberFilter("flight")
    day = django_filters.DateFilter("time_hour__date")

    @property
    def qs(self):
        # As it should not be written: without a tenant, it takes another one's rows.
        return super().qs.filter(**rows_of(getattr(self.request, "tenant", 1)))


class TenantFlights(Exporter):
    queryset = Flight.objects.all()
    permission = "demo.export_flight"
    columns = ["id"]
    filterset = OfTenant
    parallel = 1


class TenantFlightAdmin(FlightAdmin):
    def get_queryset(self, request):
        return super().get_queryset(request).filter(**rows_of(getattr(request, "tenant", 1)))
