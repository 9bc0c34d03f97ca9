"""What an exporter is called, and what its columns are made of."""

from __future__ import annotations

import dataclasses

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import F

from exports.exporters import Column, Exporter


class Someone:
    """A user with some permissions, without a database."""

    def __init__(self, *permissions, is_active=True):
        self.is_active = is_active
        self._permissions = permissions

    def has_perm(self, permission):
        return permission in self._permissions


def test_name_and_label_come_from_the_name_of_the_class():
    class LateFlightsOf2013(Exporter):
        pass

    assert LateFlightsOf2013.name == "late_flights_of2013"
    assert LateFlightsOf2013.label == "Late flights of2013"


def test_given_name_and_label_are_kept():
    class Flights(Exporter):
        name = "departures"
        label = "All departures"

    assert (Flights.name, Flights.label) == ("departures", "All departures")


def test_subclass_has_its_own_name():
    class Flights(Exporter):
        name = "departures"
        label = "All departures"

    class LateFlights(Flights):
        pass

    assert (LateFlights.name, LateFlights.label) == ("late_flights", "Late flights")


def test_plain_string_is_a_column_that_reads_that_field():
    class Flights(Exporter):
        columns = ["id", Column("delay", F("arr_delay") - F("dep_delay"), header="Lost")]

    first, second = Flights().all_columns()

    assert first == Column("id")
    assert (first.name, first.header, first.expression, first.needs) == ("id", "id", None, ())
    assert (second.name, second.header) == ("delay", "Lost")


def test_empty_header_is_kept():
    assert Column("id", header="").header == ""


def test_column_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Column("id").name = "another"


@pytest.mark.parametrize(
    ("user", "may"),
    [
        (Someone("demo.export_flight"), True),
        (Someone("demo.export_plane"), False),
        (Someone("demo.export_flight", is_active=False), False),
        (AnonymousUser(), False),
    ],
)
def test_active_user_with_the_permission_may_export(user, may):
    class Flights(Exporter):
        permission = "demo.export_flight"

    assert Flights().has_permission(user) is may
