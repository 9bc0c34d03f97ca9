"""The list of the admin is the question: the file has its rows, or the page says which it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils.html import strip_tags

from demo.admin import FlightAdmin
from demo.exporters import Flights
from demo.models import Airline, Flight
from exports.models import Export
from exports.spec import preview
from exports.spec.spec import build_spec
from tests.support.exporting import make_flights
from tests.support.library import ONLY_POSTGRES
from tests.support.list_export import LIST, PAGE, keys_of, ticked
from tests.support.pages import text

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def flights():
    """Of two carriers: those of "ZZ" have keys from 11 on."""
    make_flights(range(1, 21))
    other = Airline.objects.create(carrier="ZZ", name="Other")
    Flight.objects.filter(pk__gt=10).update(carrier=other)


@pytest.fixture
def client(admin_client: Client) -> Client:
    return admin_client


def started(client, query=""):
    """The export that is asked for on the page of the list."""
    response = client.post(f"{PAGE}?{query}", {"format": "csv"})
    assert response.status_code == 302, text(response)
    return Export.objects.get()


def listed(client, query=""):
    """The keys of the rows that the list itself shows, on all its pages."""
    changelist = client.get(f"{LIST}?{query}").context["cl"]
    assert isinstance(changelist, ChangeList)
    return sorted({flight.pk for flight in changelist.queryset})


def use_list(monkeypatch, rows):
    monkeypatch.setattr(FlightAdmin, "get_queryset", lambda self, request: rows())


def ranked():
    place = Window(RowNumber(), partition_by=F("carrier"), order_by=F("pk").desc())
    return Flight.objects.annotate(place=place)


@pytest.mark.parametrize(
    "rows",
    [
        lambda: Flight.objects.filter(pk__lt=5).distinct(),
        lambda: Flight.objects.filter(carrier__flights__pk__lt=5),
        lambda: Flight.objects.filter(carrier__flights__pk__lt=5).distinct(),
        lambda: ranked().filter(place__lte=2),
        lambda: Flight.objects.exclude(dest__faa="IAH"),
        lambda: Flight.objects.annotate(delay=F("arr_delay") - F("dep_delay")).filter(delay__gt=1),
        lambda: Flight.objects.extra(where=["distance > 0"]),
        Flight.objects.none,
        Flight._base_manager.all,
    ],
)
def test_file_has_the_rows_of_the_list_for_any_selection(client, monkeypatch, rows):
    use_list(monkeypatch, rows)

    assert keys_of(started(client)) == listed(client)


@ONLY_POSTGRES
@pytest.mark.parametrize("order", ["pk", "-pk"])
def test_file_has_the_rows_of_a_list_with_distinct_fields(client, monkeypatch, order):
    monkeypatch.setattr(FlightAdmin, "ordering", ["carrier_id", order])
    monkeypatch.setattr(FlightAdmin, "date_hierarchy", None)
    use_list(monkeypatch, lambda: Flight.objects.distinct("carrier_id"))

    expected = [1, 11] if order == "pk" else [10, 20]
    assert keys_of(started(client)) == listed(client) == expected


class Few(admin.SimpleListFilter):
    """Shows a few of the flights, each choice in another way."""

    title = parameter_name = "few"

    def lookups(self, request, model_admin):
        return [(way, way) for way in ("slice", "union", "list", "joined")]

    def queryset(self, request, queryset):
        return {
            "slice": lambda: queryset[:3],
            "union": lambda: queryset.filter(pk=1).union(queryset.filter(pk=2)),
            "list": lambda: list(queryset),
            "joined": lambda: queryset.filter(carrier__flights__pk__lt=5),
        }.get(self.value(), lambda: queryset)()


@pytest.mark.parametrize("way", ["slice", "union", "list"])
def test_list_that_django_cannot_show_is_refused(client, monkeypatch, way):
    monkeypatch.setattr(FlightAdmin, "list_filter", [Few])

    asked = client.get(f"{PAGE}?few={way}")
    answered = client.post(f"{PAGE}?few={way}", {"format": "csv"})
    looked = client.post(f"{PAGE}preview/?few={way}", {"format": "csv"})

    assert [asked.status_code, answered.status_code, looked.status_code] == [422, 422, 200]
    for each in (asked, answered, looked):
        assert "The filters of this list are not valid" in text(each)
    assert not Export.objects.exists()


def test_list_filter_that_joins_many_rows_narrows_the_file(client, monkeypatch):
    monkeypatch.setattr(FlightAdmin, "list_filter", [Few])

    assert keys_of(started(client, "few=joined")) == listed(client, "few=joined") == [*range(1, 11)]


def test_sliced_list_is_refused(client, monkeypatch):
    use_list(monkeypatch, lambda: Flight.objects.all()[:3])

    assert client.get(PAGE).status_code == 422


# -- An exporter that limits rows -------------------------------------------------------------

LIMITS = "This export limits the rows you have access to"


@pytest.fixture
def scope(monkeypatch):
    """Users may export the flights of one carrier only."""
    monkeypatch.setattr(
        Flights, "get_queryset", lambda self, user: Flight.objects.filter(carrier="ZZ")
    )


def looked(client, query="", **data):
    """What the page says of the rows."""
    found = client.post(f"{PAGE}preview/?{query}", {"format": "csv", **data})
    return " ".join(strip_tags(text(found)).split())


@pytest.mark.usefixtures("scope")
def test_page_counts_list_rows_that_are_left_out(client):
    assert LIMITS in text(client.get(PAGE))
    assert "10 flights 10 rows of the list are left out" in looked(client)
    assert "8 rows of the list are left out" in looked(client, "id__lt=11&id__gt=2")
    assert "1 row of the list is left out" in looked(client, **ticked(1, 11))
    assert "left out" not in looked(client, "carrier__carrier__exact=ZZ")
    assert keys_of(started(client)) == [*range(11, 21)]


def test_page_mentions_no_limit_if_the_exporter_has_none(client):
    assert LIMITS not in text(client.get(PAGE))
    assert "left out" not in looked(client)


@pytest.mark.usefixtures("scope")
def test_slow_count_of_rows_left_out_is_not_shown(client, monkeypatch, admin_user):
    selection = {"model": "demo.flight", "query": ""}
    asked = build_spec(admin_user, exporter="flights", changelist=selection)
    monkeypatch.setattr(
        preview, "_count", lambda found, asked: 10 if "ZZ" in str(found.query) else None
    )

    seen = preview.preview(asked)

    assert (seen.count, seen.left_out) == (10, None)
