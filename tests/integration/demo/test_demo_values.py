"""What `load_demo` has read: each value with its type, and null where nothing is known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from demo.models import Airport, Flight, Plane, Weather
from tests.integration.demo.test_demo_load import source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("small")]


@pytest.fixture(scope="module")
def small(django_db_setup, django_db_blocker):
    """Loaded once, since no test here keeps a change; and rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("load_demo", flights=2_000, stdout=StringIO())
        yield
        transaction.set_rollback(True)


def test_flight_has_the_typed_values_of_its_line():
    flight = Flight.objects.get(id=1)

    assert flight.date == date(2013, 1, 1)
    assert flight.time_hour == datetime(2013, 1, 1, 10, tzinfo=UTC)
    assert (flight.carrier.name, flight.flight) == ("United Air Lines Inc.", 1545)
    assert (flight.tailnum, flight.plane.model) == ("N14228", "737-824")
    assert (flight.origin.name, flight.dest_code) == ("Newark Liberty Intl", "IAH")
    assert flight.dest.name == "George Bush Intercontinental"
    assert (flight.sched_dep_time, flight.dep_time, flight.dep_delay) == (515, 517, 2)
    assert (flight.sched_arr_time, flight.arr_time, flight.arr_delay) == (819, 830, 11)
    assert (flight.air_time, flight.distance) == (227, 1400)


def test_day_of_an_evening_flight_is_new_yorks_not_utcs():
    flight = Flight.objects.get(id=818)

    assert flight.date == date(2013, 1, 1)
    assert flight.time_hour == datetime(2013, 1, 2, 2, tzinfo=UTC)
    assert flight.arr_time == 2400


def test_unknown_values_are_null():
    cancelled = Flight.objects.get(id=1_783)

    assert cancelled.tailnum is None
    assert cancelled.plane_id is None
    assert cancelled.dep_time is cancelled.dep_delay is cancelled.air_time is None
    assert Airport.objects.filter(tzone=None).count() == 3
    assert Plane.objects.filter(year=None).count() == 70
    assert Weather.objects.filter(pressure=None).count() == 2_729


def test_flights_keep_codes_of_missing_planes_and_airports():
    without_airport = Flight.objects.get(id=4)
    without_plane = Flight.objects.get(id=10)

    assert (without_airport.dest_code, without_airport.dest) == ("BQN", None)
    assert (without_plane.tailnum, without_plane.plane) == ("N3ALAA", None)
    joined = Flight.objects.values_list("dest__name", "plane__model", "carrier__name")
    assert len(joined) == 2_000


def test_decimal_numbers_are_loaded_exactly():
    hours = Weather.objects.order_by("id").values_list("temp", "wind_speed", "pressure", "precip")

    def number(text):
        return None if text == "NA" else float(text)

    expected = [
        tuple(number(row[column]) for column in ("temp", "wind_speed", "pressure", "precip"))
        for row in source("weather")
    ]
    assert list(hours) == expected
    assert Airport.objects.get(faa="04G").lon == -80.6195833


def test_row_made_by_hand_gets_the_next_key():
    flight = Flight.objects.get(id=2_000)
    flight.pk = None

    flight.save()

    assert flight.pk == 2_001
