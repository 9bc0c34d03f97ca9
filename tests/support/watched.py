"""An exporter whose rows are watched: a test lets something happen as a worker comes to one."""

from __future__ import annotations

from django.db.models import F

from demo.models import Flight
from exports.exporters import Column, Exporter


class Watched(Exporter):
    """Flights, with something that happens as the worker comes to a row."""

    queryset = Flight.objects.all()
    permission = "demo.export_flight"
    columns = [
        *("id", "carrier__name", "dest__name", "tailnum"),
        Column("delay", F("arr_delay") - F("dep_delay")),
        # Watched is not made yet as this is read.
        Column("speed", needs=["id"], python=lambda key: Watched.speed(key)),  # noqa: PLW0108
    ]
    happens: dict = {}

    @classmethod
    def speed(cls, key):
        if action := cls.happens.pop(key, None):
            action()
        return 370.0
