"""The demo's data in the admin. Users can view and export it, but not change it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from demo.models import Airline, Airport, Flight, Plane, Weather
from exports.admin import ExportMixin


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic at run time.
    """Shows rows to users with the view permission. Not even superusers can change them."""

    show_full_result_count = False  # Every page would count the whole table.

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        return False


@admin.register(Flight)
class FlightAdmin(ExportMixin, ReadOnlyAdmin):
    exporter = "flights"
    list_display = [
        "date",
        "carrier",
        "flight",
        "tailnum",
        "from_",
        "to",
        "dep_delay",
        "arr_delay",
        "distance",
    ]
    list_select_related = ["carrier"]
    ordering = ["date", "id"]  # By `id` alone, October would follow January.
    # The filter offers only the three airports with departures, out of 1 458.
    list_filter = ["carrier", ("origin", admin.RelatedOnlyFieldListFilter)]
    date_hierarchy = "date"
    search_fields = ["=tailnum", "=flight", "=dest_code"]
    search_help_text = _(
        "Search by tail number (N14228), flight number (1545) or destination (SJU)."
    )

    # The list shows the codes of airports, because their names would leave no room for the delays.
    @admin.display(description=_("from"), ordering="origin")
    def from_(self, flight: Flight) -> str:
        return flight.origin_id

    @admin.display(description=_("to"), ordering="dest_code")
    def to(self, flight: Flight) -> str:
        return flight.dest_code


@admin.register(Weather)
class WeatherAdmin(ExportMixin, ReadOnlyAdmin):
    exporter = "weather"
    list_display = ["time_hour", "origin", "temp", "humid", "wind_speed", "precip", "visib"]
    list_select_related = ["origin"]
    list_filter = [("origin", admin.RelatedOnlyFieldListFilter)]
    date_hierarchy = "time_hour"


@admin.register(Plane)
class PlaneAdmin(ExportMixin, ReadOnlyAdmin):
    exporter = "planes"
    list_display = ["tailnum", "year", "manufacturer", "model", "type", "seats", "engine"]
    list_filter = ["type", "engine", "manufacturer"]
    search_fields = ["tailnum", "model"]


@admin.register(Airport)
class AirportAdmin(ExportMixin, ReadOnlyAdmin):
    exporter = "airports"
    list_display = ["faa", "name", "lat", "lon", "alt", "tzone"]
    list_filter = ["tzone"]
    search_fields = ["faa", "name"]


@admin.register(Airline)
class AirlineAdmin(ReadOnlyAdmin):
    list_display = ["carrier", "name"]
    search_fields = ["carrier", "name"]
