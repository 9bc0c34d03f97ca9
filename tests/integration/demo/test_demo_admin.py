"""The demo's data in the admin: everybody with the permission looks, nobody changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from demo.models import Airline, Airport, Flight, Plane, Weather

pytestmark = pytest.mark.django_db

KEYS = {"flight": 1, "weather": 1, "plane": "N14228", "airport": "EWR", "airline": "UA"}
HOUR = datetime(2013, 1, 1, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def data():
    """150 flights from two of the airports, one of them to somewhere without a row."""
    united = Airline.objects.create(carrier="UA", name="United Air Lines Inc.")
    airports = [
        Airport.objects.create(faa=code, name=code, lat=40.6, lon=-74.1, alt=18, tz=-5, dst="A")
        for code in ("EWR", "IAH", "LGA")
    ]
    Plane.objects.create(tailnum="N14228", type="", manufacturer="", model="", engines=2, seats=149)
    Weather.objects.create(id=1, origin=airports[0], time_hour=HOUR, precip=0, visib=10)
    Flight.objects.bulk_create(
        Flight(
            id=number,
            date=HOUR.date(),
            time_hour=HOUR,
            carrier=united,
            flight=1_000 + number,
            tailnum="N14228" if number == 1 else None,
            origin=airports[0 if number % 2 else 2],
            dest_code="BQN" if number == 2 else "IAH",
            dest=None if number == 2 else airports[1],
            sched_dep_time=515,
            sched_arr_time=819,
            distance=1400,
        )
        for number in range(1, 151)
    )


@pytest.fixture
def staff_client(client, django_user_model):
    """Signed in as somebody of the staff who may view flights and nothing else."""
    user = django_user_model.objects.create_user("somebody", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_flight"))
    client.force_login(user)
    return client


EXPORTERS = {"flight": "flights", "weather": "weather", "plane": "planes", "airport": "airports"}


def page(name, *args):
    return reverse(f"admin:demo_{name}", args=args)


@pytest.mark.parametrize("model", KEYS)
def test_superuser_sees_the_list_and_a_row(admin_client, model):
    changelist = admin_client.get(page(f"{model}_changelist"))
    row = admin_client.get(page(f"{model}_change", KEYS[model]))

    assert (changelist.status_code, row.status_code) == (200, 200)
    assert changelist.context["cl"].result_list


@pytest.mark.parametrize("model", KEYS)
def test_superuser_cannot_change_a_row(admin_client, model):
    answers = [
        admin_client.post(page(f"{model}_add")),
        admin_client.post(page(f"{model}_change", KEYS[model])),
        admin_client.post(page(f"{model}_delete", KEYS[model])),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_staff_see_flights_only_with_that_permission_alone(staff_client):
    answers = {model: staff_client.get(page(f"{model}_changelist")).status_code for model in KEYS}

    assert answers == {"flight": 200, "weather": 403, "plane": 403, "airport": 403, "airline": 403}


def test_list_of_flights_needs_a_constant_number_of_queries(
    admin_client, django_assert_max_num_queries
):
    with django_assert_max_num_queries(12):
        answer = admin_client.get(page("flight_changelist"))

    assert len(answer.context["cl"].result_list) == 100


def test_origin_filter_offers_airports_with_departures(admin_client):
    answer = admin_client.get(page("flight_changelist"))

    by_origin = next(spec for spec in answer.context["cl"].filter_specs if "origin" in spec.title)
    assert [code for code, _ in by_origin.lookup_choices] == ["EWR", "LGA"]


@pytest.mark.parametrize(
    ("search", "found"), [("N14228", 1), ("1100", 1), ("BQN", 1), ("nowhere", 0)]
)
def test_search_finds_flights_by_tail_number_and_destination(admin_client, search, found):
    answer = admin_client.get(page("flight_changelist"), {"q": search})

    assert answer.context["cl"].result_count == found


@pytest.mark.parametrize(("model", "exporter"), EXPORTERS.items())
def test_list_with_an_exporter_offers_it_to_permitted_users(admin_client, model, exporter):
    answer = admin_client.get(page(f"{model}_changelist"))

    assert answer.context["cl"].model_admin.exporter == exporter
    assert answer.context["export_url"] == page(f"{model}_export")
    assert "export_selected" in dict(answer.context["action_form"].fields["action"].choices)


def test_list_offers_no_export_to_users_who_may_only_view(staff_client):
    answer = staff_client.get(page("flight_changelist"))

    assert answer.status_code == 200
    assert "export_url" not in answer.context
    assert page("flight_export") not in answer.text
