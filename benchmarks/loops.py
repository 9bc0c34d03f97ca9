"""The two loops that people write without Waybill, over the columns that Waybill exports."""

from __future__ import annotations

import csv
import tempfile
from typing import TYPE_CHECKING, Any

from django.db.models import F

from demo.exporters import mph
from demo.models import Flight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 2_000  # rows fetched at once: as many as in one of Waybill's pages

FIELDS = (
    *("id", "date", "time_hour", "carrier_id", "carrier__name", "flight", "tailnum"),
    *("origin_id", "origin__name", "dest_code", "dest__name"),
    *("sched_dep_time", "dep_time", "dep_delay", "sched_arr_time", "arr_time", "arr_delay"),
    *("air_time", "distance"),
)
HEADERS = (*FIELDS, "delay", "speed")


def values_rows() -> Iterator[list[Any]]:
    """values_list().iterator(): the fastest that is short to write."""
    flights = Flight.objects.order_by("pk")
    read = flights.values_list(*FIELDS, F("arr_delay") - F("dep_delay"))
    air_time, distance = FIELDS.index("air_time"), FIELDS.index("distance")
    for row in read.iterator(CHUNK):
        yield [*row, mph(row[distance], row[air_time])]


def model_rows() -> Iterator[list[Any]]:
    """The same with model instances, as most exporters do it."""
    flights = Flight.objects.select_related("carrier", "origin", "dest").order_by("pk")
    for flight in flights.iterator(CHUNK):
        landed = flight.arr_delay is not None and flight.dep_delay is not None
        yield [
            flight.id,
            flight.date,
            flight.time_hour,
            flight.carrier_id,
            flight.carrier.name,
            flight.flight,
            flight.tailnum,
            flight.origin_id,
            flight.origin.name,
            flight.dest_code,
            flight.dest.name if flight.dest else None,
            flight.sched_dep_time,
            flight.dep_time,
            flight.dep_delay,
            flight.sched_arr_time,
            flight.arr_time,
            flight.arr_delay,
            flight.air_time,
            flight.distance,
            flight.arr_delay - flight.dep_delay if landed else None,
            mph(flight.distance, flight.air_time),
        ]


def write(rows: Iterable[list[Any]]) -> int:
    """Write a CSV file that is gone afterwards. Returns how many rows it had."""
    count = 0
    with tempfile.TemporaryFile("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
