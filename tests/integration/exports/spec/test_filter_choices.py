"""What a FilterSet offers and takes are values of rows that the user may see."""

from __future__ import annotations

import django_filters
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from demo.models import Airline, Airport, Flight
from exports.exceptions import InvalidFilter
from exports.exporters import registry
from exports.forms.filters import FilterFields
from exports.spec import describe, filters, queryset
from exports.spec.spec import build_spec
from tests.support.exporting import make_flights
from tests.support.spec_requests import flights_by, keys, request_of
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def flights():
    """Those of UA are seen, from EWR to IAH; JetBlue's go from JFK to BOS, with other numbers."""
    make_flights(range(1, 11))
    Airline.objects.create(carrier="B6", name="JetBlue Airways")
    Airline.objects.create(carrier="ZZ", name="No flights at all")
    Airport.objects.bulk_create(
        Airport(faa=code, name=name, lat=40, lon=-74, alt=18, tz=-5, dst="A")
        for code, name in (("JFK", "Kennedy"), ("BOS", "Logan"))
    )
    Flight.objects.filter(pk__gt=5).update(
        carrier="B6", origin="JFK", dest="BOS", dest_code="BOS", tailnum="SECRET"
    )


def own(_self, _user):
    return Flight.objects.filter(carrier="UA")


def sliced(_self, _user):
    return Flight.objects.order_by("pk")[:5]


def united(_self, _user):
    return Flight.objects.filter(pk__lte=2).union(Flight.objects.filter(pk__in=[3, 4, 5]))


def distinct(_self, _user):
    return Flight.objects.filter(carrier="UA").distinct()


def new_york(_request):
    return Airport.objects.filter(faa__in=["EWR", "JFK", "BOS"])


class Every(django_filters.FilterSet):
    """One of each kind of filter that lists what is in a table."""

    origin = django_filters.ModelChoiceFilter(queryset=new_york)
    carriers = django_filters.ModelMultipleChoiceFilter("carrier", queryset=Airline.objects.all())
    named = django_filters.ModelMultipleChoiceFilter(
        "carrier__name", to_field_name="name", queryset=Airline.objects.all()
    )
    dest = django_filters.ModelChoiceFilter(queryset=Airport.objects.order_by("name")[:10])
    number = django_filters.AllValuesFilter("tailnum")
    numbers = django_filters.AllValuesMultipleFilter("tailnum")
    city = django_filters.AllValuesFilter("dest__name")
    mine = django_filters.ModelChoiceFilter(queryset=Airline.objects.all(), method="narrow")

    class Meta:
        model = Flight
        fields = ["carrier"]

    def narrow(self, queryset, _name, value):
        return queryset.filter(carrier=value)


class Touching(Every):
    """Its form is made before anybody can say what its choices are."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.form.fields["origin"].label = "From"


def offered(superuser):
    """What the page offers, by filter."""
    fields = FilterFields(registry.permitted(superuser, "narrowed"), {}, request_of(superuser))
    return {
        field.name: sorted(str(value) for value, _ in field.field.choices if value)
        for field in fields.form
    }


@pytest.mark.proves("scope-hides-rows")
@pytest.mark.parametrize("scope", [own, sliced, united, distinct])
@pytest.mark.parametrize("filterset", [Every, Touching])
def test_choices_come_only_from_rows_in_the_users_scope(superuser, filterset, scope):
    with flights_by(filterset, get_queryset=scope):
        found = offered(superuser)

    assert found["carrier"] == found["carriers"] == ["UA"]
    assert found["named"] == ["United Air Lines Inc."]
    assert found["origin"] == ["EWR"]
    assert found["dest"] == ["IAH"]
    assert "SECRET" not in found["number"] + found["numbers"]
    assert "N1" in found["number"]
    assert found["city"] == ['George "Bush", Houston']
    # A name that is no relation of the model: only its own method knows what it means.
    assert found["mine"] == ["B6", "UA", "ZZ"]


def test_page_and_api_offer_and_accept_the_same_choices(superuser, client):
    client.force_login(superuser)

    with flights_by(Every, get_queryset=own):
        page = client.get("/exports/new/narrowed/").content.decode()
        listed = client.get("/api/v1/exporters").content.decode()
        refusals = {
            carrier: client.post(
                "/api/v1/exports",
                {"exporter": "narrowed", "filters": {"carrier": carrier}},
                content_type="application/json",
            )
            for carrier in ("B6", "XX")
        }

    assert "United Air Lines Inc." in page
    # After it there is the filter with a method of its own, which offers all.
    assert "JetBlue" not in page[: page.index("filter-mine")]
    assert "SECRET" not in page + listed
    assert {each.status_code for each in refusals.values()} == {422}
    assert refusals["B6"].content == refusals["XX"].content


@pytest.mark.proves("scope-hides-rows")
@pytest.mark.parametrize(
    ("name", "hidden", "missing", "seen"),
    [
        ("carrier", "B6", "XX", "UA"),
        ("carriers", "B6", "XX", "UA"),
        ("named", "JetBlue Airways", "Nobody", "United Air Lines Inc."),
        ("origin", "JFK", "XXX", "EWR"),
        ("number", "SECRET", "N0", "N1"),
        ("numbers", "SECRET", "N0", "N1"),
        ("city", "Logan", "Nowhere", 'George "Bush", Houston'),
    ],
)
def test_hidden_choice_is_refused_like_a_missing_one(superuser, name, hidden, missing, seen):
    said = {}
    with flights_by(Every, get_queryset=own):
        for value in (hidden, missing):
            with pytest.raises(InvalidFilter) as refused:
                build_spec(superuser, exporter="narrowed", filters={name: value})
            said[value] = str(refused.value).replace(value, "…")
        export = start_export(user=superuser, exporter="narrowed", filters={name: seen})
        found, _ = queryset.rows_and_columns(export)

        assert set(keys(found)) <= {1, 2, 3, 4, 5}
        assert keys(found)
        assert describe.filters(
            registry.permitted(superuser, "narrowed"), superuser, {name: seen}, {}
        )
    assert said[hidden] == said[missing]


def test_choices_without_a_scope_come_from_the_filterset(superuser):
    with flights_by(Every):
        found = offered(superuser)

    assert found["carrier"] == ["B6", "UA", "ZZ"]
    assert found["origin"] == ["BOS", "EWR", "JFK"]
    assert "SECRET" in found["number"]


def test_names_of_filters_cost_no_query(superuser):
    with flights_by(Every, get_queryset=own), CaptureQueriesContext(connection) as asked:
        names = filters.filter_names(
            registry.permitted(superuser, "narrowed"), request_of(superuser)
        )

    assert {"carrier", "number"} <= set(names)
    assert [each["sql"] for each in asked if "demo_" in each["sql"]] == []
