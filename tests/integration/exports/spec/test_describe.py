"""Filters in words: every kind that django-filter has says what it narrows."""

from __future__ import annotations

import django_filters
import pytest
from django import forms
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from demo.models import Airport, Flight
from exports.exporters import Exporter
from exports.forms.filters import FilterFields
from exports.spec import describe, queryset
from tests.support.spec_requests import request_of

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]


def any_rows(queryset, _name, _value):
    """For fields that no model of the demo has."""
    return queryset


class WithMore(forms.Form):
    """What a project may give its FilterSets."""

    remembered = forms.BooleanField(required=False)


class EveryFilter(django_filters.FilterSet):
    """One of each kind."""

    late = django_filters.BooleanFilter(label="Late", method=any_rows)
    early = django_filters.BooleanFilter(
        label="Early", method=any_rows, widget=django_filters.widgets.BooleanWidget
    )
    distance = django_filters.LookupChoiceFilter(
        field_class=forms.DecimalField,
        lookup_choices=[("exact", "equals"), ("gt", "is over")],
        label="Distance",
    )
    origin = django_filters.ModelMultipleChoiceFilter(
        queryset=Airport.objects.all(), label="Origin"
    )
    dest = django_filters.ModelChoiceFilter(
        queryset=Airport.objects.all(), label="Destination", widget=forms.TextInput
    )
    season = django_filters.ChoiceFilter(
        choices=[("Cold", [("w", "Winter")]), ("s", "Summer")], label="Season", method=any_rows
    )
    dep_delay = django_filters.RangeFilter(label="Delay")
    tailnum = django_filters.CharFilter(lookup_expr="icontains", label="Plane contains")

    class Meta:
        model = Flight
        fields: list[str] = []
        form = WithMore

    def filter_queryset(self, queryset):
        """As such a project has to: what its form has besides is no filter."""
        return queryset


class Everything(Exporter):
    queryset = Flight.objects.all()
    filterset = EveryFilter
    columns = ["id"]


PERSON = User(username="person")


@pytest.fixture(autouse=True)
def _airports():
    for code, name in [("EWR", "Newark"), ("JFK", "Kennedy"), ("IAH", "Houston")]:
        Airport.objects.create(faa=code, name=name, lat=1, lon=1, alt=1, tz=-5, dst="A")


@pytest.mark.parametrize(
    ("filters", "phrase"),
    [
        ({"late": "true"}, "Late is Yes"),
        ({"late": "false"}, "Late is No"),
        ({"early": False}, "Early is No"),
        ({"distance": "5", "distance_lookup": "exact"}, "Distance is 5"),
        ({"distance": "5", "distance_lookup": "gt"}, "Distance is over 5"),
        ({"origin": ["EWR", "JFK"]}, "Origin is EWR Newark, JFK Kennedy"),
        ({"dest": "IAH"}, "Destination is IAH Houston"),
        ({"season": "w"}, "Season is Winter"),
        ({"season": "s"}, "Season is Summer"),
        ({"dep_delay_min": "5"}, "Delay from 5 on"),
        ({"dep_delay_min": "5", "dep_delay_max": "9"}, "Delay from 5 to 9"),
        ({"dep_delay_max": "0"}, "Delay up to 0"),
        ({"tailnum": "N1"}, "Plane contains N1"),
    ],
    ids=str,
)
def test_each_filter_is_described_with_its_value(filters, phrase):
    assert describe.filters(Everything(), PERSON, filters, {}) == [phrase]


@pytest.mark.parametrize("filters", [{"late": "unknown"}, {"tailnum": ""}, {"season": ""}], ids=str)
def test_empty_filter_is_not_described(filters):
    assert describe.filters(Everything(), PERSON, filters, {}) == []


@pytest.mark.parametrize(
    ("filters", "stated"),
    [
        ({"late": "unknown", "early": ""}, {}),
        ({"late": "false", "early": "unknown"}, {"late": "false"}),
        ({"distance": "", "distance_lookup": "gt"}, {}),
        (
            {"distance": "5", "distance_lookup": "gt"},
            {"distance": "5", "distance_lookup": "gt"},
        ),
        ({"dep_delay_min": "", "dep_delay_max": "0"}, {"dep_delay_max": "0"}),
        ({"dep_delay_min": 0, "dep_delay_max": None}, {"dep_delay_min": 0}),
        ({"origin": [], "season": "", "tailnum": None}, {}),
        ({"origin": ["EWR", "JFK"]}, {"origin": ["EWR", "JFK"]}),
    ],
    ids=str,
)
def test_empty_filter_is_not_stored(filters, stated):
    assert queryset.narrowing_filters(Everything(), PERSON, {"filters": filters}, {}) == stated


def test_only_chosen_rows_of_a_related_table_are_read():
    with CaptureQueriesContext(connection) as queries:
        describe.filters(Everything(), PERSON, {"dest": "IAH"}, {})

    assert all("WHERE" in each["sql"] for each in queries)


def test_number_with_a_lookup_is_not_a_range():
    fields = FilterFields(Everything(), {}, request_of(PERSON))

    by_name = {field.name: field.field.widget for field in fields.form}
    assert "aria-label" not in by_name["distance"].widgets[1].attrs
    assert by_name["dep_delay"].widgets[1].attrs["aria-label"] == "Delay to"
