"""A queryset that cannot be exported is refused in words, through whatever a request comes."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.db.models import F, Value, Window
from django.db.models.functions import RowNumber

from demo.exporters import Flights
from demo.filters import FlightFilter
from demo.models import Airport, Flight
from exports.lifecycle import attempts
from exports.models import Export
from exports.spec import presets
from exports.spec.spec import build_spec
from tests.support.export_command import CommandResult
from tests.support.exporting import make_flights, run, use_folders
from tests.support.list_export import PAGE as LIST_PAGE
from tests.support.pages import text
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/exports"
PAGE = "/exports/new/flights/"

WRONG = {
    "None": (lambda: None, "returns NoneType"),
    "list": (lambda: list(Flight.objects.all()), "returns list"),
    "raw": (lambda: Flight.objects.raw("SELECT 1 AS id"), "returns RawQuerySet"),
    "values": (lambda: Flight.objects.values("id"), "rows have no primary key"),
    "keys": (lambda: Flight.objects.values_list("id", flat=True), "rows have no primary key"),
    "dates": (lambda: Flight.objects.dates("date", "year"), "rows have no primary key"),
    "another": (Airport.objects.all, "returns rows of demo.Airport"),
    "random": (lambda: Flight.objects.order_by("?")[:5], "at random"),
}


@pytest.fixture(autouse=True)
def superuser(settings, tmp_path):
    use_folders(settings, tmp_path)
    make_flights(range(1, 6))
    return User.objects.create_superuser("person")


@pytest.fixture(params=WRONG)
def wrong(request, monkeypatch):
    """What is said of the exporter's get_queryset."""
    rows, message = WRONG[request.param]
    monkeypatch.setattr(Flights, "get_queryset", lambda self, user: rows())
    return message


@pytest.fixture(params=["None", "list", "raw", "another", "random"])
def wrong_filters(request, monkeypatch):
    """What is said of the rows that the exporter's FilterSet gives."""
    rows, message = WRONG[request.param]
    monkeypatch.setattr(FlightFilter, "qs", property(lambda self: rows()))
    return message


@pytest.fixture
def signed_in(client, superuser):
    client.force_login(superuser)
    return client


def assert_refused(client, message):
    """By the API and the page, which has its form all the same."""
    body = json.dumps({"exporter": "flights"})
    answer = client.post(API, body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert message in answer.json()["detail"]
    assert "flights" in {each["name"] for each in client.get("/api/v1/exporters").json()}

    assert client.get(PAGE).status_code == 200
    for pressed in ({}, {"preview": ""}, {"save": "", "preset": "mine"}):
        page = client.post(PAGE, {"format": "csv", **pressed})
        assert page.status_code == 422
        assert message in text(page)
    preview = client.post(f"{PAGE}preview", {"format": "csv"})
    assert preview.status_code == 200
    assert message in text(preview)

    ran = CommandResult("flights")
    assert ran.status == 2
    assert message in ran.error
    assert not Export.objects.exists()


def test_invalid_rows_of_an_exporter_are_refused_everywhere(signed_in, wrong):
    assert_refused(signed_in, wrong)


def test_invalid_rows_of_a_filterset_are_refused_everywhere(signed_in, wrong_filters):
    assert_refused(signed_in, wrong_filters)


def test_invalid_rows_of_an_exporter_are_refused_behind_a_list(signed_in, wrong):
    assert signed_in.get(LIST_PAGE).status_code == 200
    for pressed in ({}, {"preview": ""}, {"_selected_action": ["1"]}):
        page = signed_in.post(LIST_PAGE, {"format": "csv", **pressed})
        assert page.status_code == 422
        assert wrong in text(page)
    preview = signed_in.post(f"{LIST_PAGE}preview/", {"format": "csv"})

    assert preview.status_code == 200
    assert wrong in text(preview)
    assert not Export.objects.exists()


def test_stored_export_explains_that_its_queryset_became_invalid(signed_in, superuser, monkeypatch):
    asked = {"exporter": "flights", "columns": ["id"]}
    preset = presets.save(build_spec(superuser, **asked), "mine")
    done = run(attempts.claim(start_export(user=superuser, **asked).pk, worker="w@tests"))
    waiting = attempts.claim(start_export(user=superuser, **asked).pk, worker="w@tests")
    monkeypatch.setattr(Flights, "get_queryset", lambda self, user: None)

    run(waiting)
    again = signed_in.post(f"{API}/{done.pk}/again")
    pressed = signed_in.post(f"/exports/presets/{preset.pk}/run", follow=True)

    assert (done.status, waiting.status) == ("succeeded", "failed")
    assert "Flights.get_queryset() returns NoneType" in waiting.error
    assert again.status_code == 422
    assert "returns NoneType" in again.json()["detail"]
    assert "returns NoneType" in text(pressed)


@pytest.mark.parametrize(
    "rows",
    [
        lambda: Flight.objects.annotate(place=Window(RowNumber(), order_by="id")),
        lambda: Flight.objects.annotate(place=F("id")).distinct(),
        lambda: Flight.objects.annotate(place=F("id"))[:3],
        lambda: Flight.objects.annotate(place=F("carrier__flights__id")),
    ],
)
def test_lost_annotation_is_refused_everywhere(signed_in, monkeypatch, rows):
    monkeypatch.setattr(Flights, "queryset", Flight.objects.annotate(place=Value(0)))
    monkeypatch.setattr(Flights, "columns", ["id", "place"])
    monkeypatch.setattr(Flights, "get_queryset", lambda self, user: rows())

    assert_refused(signed_in, "compute the annotation with a Subquery")
