"""The exporters of the demo. A class like these is all that an export needs."""

from __future__ import annotations

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from demo import filters, models
from exports.exporters import Column, Exporter, register


def mph(distance: int, air_time: int | None) -> float | None:
    """Return the mean speed over `distance` miles in `air_time` minutes, or None without a time."""
    return round(distance * 60 / air_time, 1) if air_time else None


@register
class Flights(Exporter):
    label = _("Flights")
    queryset = models.Flight.objects.all()
    permission = "demo.export_flight"
    filterset = filters.FlightFilter
    columns = [
        "id",
        "date",
        "time_hour",
        "carrier_id",
        "carrier__name",
        "flight",
        "tailnum",
        "origin_id",
        "origin__name",
        "dest_code",
        "dest__name",
        "sched_dep_time",
        "dep_time",
        "dep_delay",
        "sched_arr_time",
        "arr_time",
        "arr_delay",
        "air_time",
        "distance",
        Column("delay", F("arr_delay") - F("dep_delay")),
        Column("speed", needs=["distance", "air_time"], python=mph),
    ]


@register
class Weather(Exporter):
    label = _("Weather")
    queryset = models.Weather.objects.all()
    permission = "demo.export_weather"
    filterset = filters.WeatherFilter
    columns = [
        "id",
        "origin_id",
        "origin__name",
        "time_hour",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
    ]


@register
class Planes(Exporter):
    label = _("Planes")
    queryset = models.Plane.objects.all()
    permission = "demo.export_plane"
    filterset = filters.PlaneFilter
    columns = [
        "tailnum",
        "year",
        "type",
        "manufacturer",
        "model",
        "engines",
        "seats",
        "speed",
        "engine",
    ]


@register
class Airports(Exporter):
    label = _("Airports")
    queryset = models.Airport.objects.all()
    permission = "demo.export_airport"
    filterset = filters.AirportFilter
    columns = ["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"]
