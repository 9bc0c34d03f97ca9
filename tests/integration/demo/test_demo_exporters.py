"""The rows that the demo's exporters and filters select."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import transaction

from exports.exceptions import InvalidFilter
from exports.exporters import registry
from exports.spec import queryset

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def data(django_db_setup, django_db_blocker):
    """Loaded once, since these tests only read; and rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        call_command("load_demo", flights=2_000, stdout=StringIO())
        yield
        transaction.set_rollback(True)


@pytest.fixture
def selected(data, admin_user):
    """A function that gives the rows of an exporter under some filters."""

    def select(name, /, **filters):
        return queryset.rows(registry.get(name), admin_user, {"filters": filters})

    return select


def test_flights_without_a_joined_row_are_exported(selected):
    rows = selected("flights").values_list("dest__name", "carrier__name", "origin__name")

    assert len(rows) == 2_000
    assert sum(dest is None for dest, _, _ in rows) > 0


def test_computed_delay_is_the_time_lost_in_the_air(selected):
    delay = next(each for each in registry.get("flights").all_columns() if each.name == "delay")

    rows = selected("flights").annotate(delay=delay.expression).order_by("pk")

    assert [row.delay for row in rows[:3]] == [9, 16, 31]
    assert rows.get(pk=839).delay is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"carrier": "UA"}, lambda row: row.carrier_id == "UA"),
        ({"origin": "JFK"}, lambda row: row.origin_id == "JFK"),
        ({"dest": "SJU"}, lambda row: row.dest_code == "SJU"),
        ({"month": 1}, lambda row: row.date.month == 1),
        ({"date_after": "2013-01-02"}, lambda row: row.date.day >= 2),
        ({"date_before": "2013-01-02"}, lambda row: row.date.day <= 2),
        ({"dep_delay_min": 60}, lambda row: row.dep_delay is not None and row.dep_delay >= 60),
        (
            {"time_hour_after": "2013-01-02T12:00:00Z"},
            lambda row: row.time_hour.isoformat() >= "2013-01-02T12:00:00+00:00",
        ),
        (
            {"carrier": "B6", "dest": "SJU", "arr_delay_max": 0},
            lambda row: (
                (row.carrier_id, row.dest_code) == ("B6", "SJU")
                and row.arr_delay is not None
                and row.arr_delay <= 0
            ),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "rows",
)
def test_filter_of_flights_selects_exactly_its_rows(selected, filters, expected):
    everything = list(selected("flights"))

    found = {row.pk for row in selected("flights", **filters)}

    assert found == {row.pk for row in everything if expected(row)}
    assert found


@pytest.mark.parametrize(
    "filters", [{"carrier": "XX"}, {"origin": "IAH"}, {"month": 13}, {"dep_delay_min": "late"}]
)
def test_invalid_filter_value_is_refused(selected, filters):
    with pytest.raises(InvalidFilter, match=next(iter(filters)).removesuffix("_min")):
        selected("flights", **filters)


def test_filters_of_the_other_exporters_work(selected):
    assert selected("weather", origin="EWR", temp_min=100).count() == 2
    assert selected("planes", manufacturer="airbus", seats_min=377).count() == 69
    assert selected("airports", name="kennedy").get().faa == "JFK"


def test_user_without_permission_has_no_exporters():
    guest = get_user_model().objects.create_user("nobody")

    assert registry.available(guest) == []
