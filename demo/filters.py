"""The filters of the demo's exporters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django_filters import (
    CharFilter,
    DateFromToRangeFilter,
    FilterSet,
    IsoDateTimeFromToRangeFilter,
    ModelChoiceFilter,
    NumberFilter,
    RangeFilter,
)

from demo.models import Airport, Flight, Plane, Weather

if TYPE_CHECKING:
    from django.db.models import QuerySet


def new_york(_request: object) -> QuerySet[Airport]:
    """Return the three airports with departures and weather, out of 1 458."""
    return Airport.objects.filter(faa__in=["EWR", "JFK", "LGA"])


class FlightFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types.
    origin = ModelChoiceFilter(queryset=new_york)
    dest = CharFilter("dest_code", label=_("Destination code"))
    month = NumberFilter("date__month", label=_("Month"), min_value=1, max_value=12)
    date = DateFromToRangeFilter()
    time_hour = IsoDateTimeFromToRangeFilter()
    dep_delay = RangeFilter()
    arr_delay = RangeFilter()

    class Meta:
        model = Flight
        fields = ["carrier", "flight", "tailnum"]


class WeatherFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types.
    origin = ModelChoiceFilter(queryset=new_york)
    time_hour = IsoDateTimeFromToRangeFilter()
    temp = RangeFilter()
    wind_speed = RangeFilter()

    class Meta:
        model = Weather
        fields: list[str] = []


class PlaneFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types.
    manufacturer = CharFilter(lookup_expr="icontains")
    year = RangeFilter()
    seats = RangeFilter()

    class Meta:
        model = Plane
        fields = ["type", "engine"]


class AirportFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types.
    name = CharFilter(lookup_expr="icontains")

    class Meta:
        model = Airport
        fields = ["faa", "tzone"]
