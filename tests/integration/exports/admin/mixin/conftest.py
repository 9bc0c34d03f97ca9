"""Flights in the admin's list, and who may export them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def flights():
    """Twenty-four, over two carriers, two origins, two months and four distances."""
    from demo.models import Airline, Airport, Flight

    airlines = [
        Airline.objects.create(carrier="UA", name="United Air Lines Inc."),
        Airline.objects.create(carrier="B6", name="JetBlue Airways"),
    ]
    airports = [
        Airport.objects.create(faa=code, name=name, lat=40.6, lon=-74.1, alt=18, tz=-5, dst="A")
        for code, name in [("EWR", "Newark"), ("JFK", "Kennedy"), ("IAH", "Houston")]
    ]
    Flight.objects.bulk_create(
        Flight(
            id=number,
            date=datetime(2013, 1 + number // 4 % 2, 1 + number % 3, tzinfo=UTC).date(),
            time_hour=datetime(2013, 1, 1, 10, tzinfo=UTC),
            carrier=airlines[number % 2],
            flight=1_000 + number,
            tailnum="N14228" if number % 5 == 0 else None,
            origin=airports[number // 2 % 2],
            dest_code="BQN" if number % 7 == 0 else "IAH",
            dest=None if number % 7 == 0 else airports[2],
            sched_dep_time=515,
            sched_arr_time=819,
            distance=1_000 + 100 * (number % 4),
        )
        for number in range(1, 25)
    )


@pytest.fixture
def exporting():
    """Signed in as somebody who may view and export flights, and nothing else."""
    from tests.support.list_export import staff_with
    from tests.support.signing_in import signed_in

    return signed_in(staff_with("view_flight", "export_flight"))


@pytest.fixture
def looking():
    """Signed in as somebody who may view flights, and not export them."""
    from tests.support.list_export import staff_with
    from tests.support.signing_in import signed_in

    return signed_in(staff_with("view_flight"))
