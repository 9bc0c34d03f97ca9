"""A stored question becomes rows and columns: the same ones, asked again as its owner."""

from __future__ import annotations

import math

import django_filters
import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Q
from django.forms import ModelChoiceField
from django.test import RequestFactory

from demo.models import Airline, Flight
from exports.exceptions import (
    InvalidFilter,
    InvalidSelection,
    NotPermitted,
    UnknownColumn,
    UnknownExporter,
)
from exports.exporters import Exporter, registry
from exports.spec import filters as spec_filters
from exports.spec import queryset
from exports.spec.columns import choose_columns
from exports.spec.spec import build_spec
from tests.support.exporting import make_flights, registered, request

pytestmark = pytest.mark.django_db


def keys(queryset):
    return sorted(queryset.values_list("pk", flat=True))


def select(superuser, exporter="flights", **params):
    return keys(queryset.rows(registry.get(exporter), superuser, params))


# -- Columns ------------------------------------------------------------------------


def test_without_names_all_columns_come_in_their_order():
    exporter = registry.get("airports")

    found = [column.name for column in choose_columns(exporter, None)]

    assert found == ["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"]


def test_chosen_columns_come_in_the_order_in_which_they_were_chosen():
    found = choose_columns(registry.get("airports"), ["name", "faa"])

    assert [column.name for column in found] == ["name", "faa"]


# -- Filters ------------------------------------------------------------------------


@pytest.mark.usefixtures("flights")
def test_no_filters_are_all_rows(superuser):
    assert select(superuser) == select(superuser, filters={}) == list(range(1, 31))


@pytest.mark.usefixtures("flights")
def test_filters_narrow_together(superuser):
    found = select(superuser, filters={"arr_delay_min": 10, "arr_delay_max": "12", "carrier": "UA"})

    assert found == [10, 11, 12]


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize("empty", [None, "", []])
def test_an_empty_filter_is_none(superuser, empty):
    assert select(superuser, filters={"tailnum": empty, "month": empty}) == list(range(1, 31))


def test_two_values_for_a_filter_that_takes_one_are_refused(superuser):
    with pytest.raises(InvalidFilter, match='"carrier" accepts only one value'):
        select(superuser, filters={"carrier": ["UA", "AA"]})


@pytest.mark.parametrize("value", [{"a": 1}, [["UA"]], "\0", "\ud800", math.nan, -math.inf])
def test_a_value_that_no_filter_can_have_is_refused(superuser, value):
    for name in ("carrier", "tailnum", "month"):
        with pytest.raises(InvalidFilter, match=f'"{name}"'):
            select(superuser, filters={name: value})


def test_a_refusal_has_names_for_programs_and_labels_for_people(superuser):
    with pytest.raises(InvalidFilter) as refused:
        select(superuser, filters={"dep_delay_min": "late", "month": 13})

    assert 'The filter "dep_delay" is not valid: Enter a number.' in str(refused.value)
    assert "Departure delay: Enter a number." in refused.value.page_message()
    assert "Month: Ensure this value is less than or equal to 12." in refused.value.page_message()
    assert "dep_delay" not in refused.value.page_message()


def test_an_exporter_without_filters_says_so(superuser):
    class Departures(Exporter):
        queryset = Flight.objects.all()
        columns = ["id"]
        permission = "demo.export_flight"

    with (
        registered(Departures),
        pytest.raises(InvalidFilter, match='"departures" has no filters'),
    ):
        select(superuser, "departures", filters={"carrier": "UA"})


class CarrierFilter(django_filters.FilterSet):
    """Filters through a relation with many rows, and with several values."""

    distance = django_filters.NumberFilter("flights__distance")
    carrier = django_filters.MultipleChoiceFilter(choices=[("UA", "United"), ("AA", "American")])
    is_united = django_filters.BooleanFilter(method="only_united")

    class Meta:
        model = Airline
        fields: list[str] = []

    def only_united(self, queryset, name, value):
        united = Q(carrier="UA")
        return queryset.filter(united if value else ~united)


class Carriers(Exporter):
    queryset = Airline.objects.all()
    columns = ["carrier", "name"]
    permission = "demo.export_airline"
    filterset = CarrierFilter


@pytest.mark.proves("each-row-once")
@pytest.mark.usefixtures("flights")
def test_a_filter_through_many_rows_gives_each_row_once(superuser):
    with registered(Carriers):
        assert select(superuser, "carriers", filters={"distance": 1_400}) == ["UA"]


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize("value", [["UA", "AA"], ["UA"], "UA"])
def test_a_filter_of_several_values_takes_them_and_stays_countable(superuser, value):
    Airline.objects.create(carrier="B6", name="JetBlue Airways")

    with registered(Carriers):
        rows = queryset.rows(registry.get("carriers"), superuser, {"filters": {"carrier": value}})

    assert keys(rows) == ["UA"]
    assert not rows.query.distinct


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, ["UA"]), ("true", ["UA"]), (False, ["B6"]), ("false", ["B6"]), (None, ["B6", "UA"])],
)
def test_true_and_false_are_taken_as_json_has_them(superuser, value, expected):
    Airline.objects.create(carrier="B6", name="JetBlue Airways")

    with registered(Carriers):
        assert select(superuser, "carriers", filters={"is_united": value}) == expected


def test_a_queryset_of_the_user_that_would_repeat_rows_gives_each_once(superuser):
    make_flights([1, 2, 3])

    class Mine(Exporter):
        queryset = Airline.objects.all()
        columns = ["carrier"]
        permission = "demo.export_airline"

        def get_queryset(self, user):
            return super().get_queryset(user).filter(flights__distance__gt=1).distinct()

    with registered(Mine):
        rows = queryset.rows(registry.get("mine"), superuser, {})

    assert keys(rows) == ["UA"]
    assert not rows.query.distinct


# -- A stored export ----------------------------------------------------------------


def test_a_stored_question_gives_its_rows_and_columns(superuser, flights):
    export = request(superuser, columns=["flight", "id"], filters={"arr_delay_min": 29})

    rows, columns = queryset.rows_and_columns(export)

    assert keys(rows) == [29, 30]
    assert [column.name for column in columns] == ["flight", "id"]


def test_it_is_asked_again_and_finds_what_is_there_now(superuser, flights):
    export = request(superuser, filters={"arr_delay_min": 29})
    Flight.objects.filter(pk=1).update(arr_delay=99)

    assert keys(queryset.rows_and_columns(export)[0]) == [1, 29, 30]


@pytest.mark.proves("export-needs-permission")
def test_who_has_lost_the_permission_since_gets_nothing():
    user = User.objects.create_user("somebody")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    export = request(user)
    user.user_permissions.clear()
    export.refresh_from_db()

    with pytest.raises(NotPermitted):
        queryset.rows_and_columns(export)


def test_who_was_deactivated_since_gets_nothing(superuser):
    export = request(superuser)
    User.objects.update(is_active=False)
    export.refresh_from_db()

    with pytest.raises(NotPermitted):
        queryset.rows_and_columns(export)


def test_a_column_that_is_gone_since_is_named(superuser):
    export = request(superuser)
    export.params = {"columns": ["id", "gate"]}

    with pytest.raises(UnknownColumn, match='"gate"'):
        queryset.rows_and_columns(export)


def test_an_exporter_that_is_gone_since_is_named(superuser):
    class Departures(Exporter):
        queryset = Flight.objects.all()
        columns = ["id"]
        permission = "demo.export_flight"

    with registered(Departures):
        export = request(superuser, exporter="departures", columns=None)

    with pytest.raises(UnknownExporter, match='"departures"'):
        queryset.rows_and_columns(export)


# -- A change list ------------------------------------------------------------------


def listed(superuser, query_string="", **more):
    return select(superuser, changelist={"model": "demo.flight", "query": query_string, **more})


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(
    ("query_string", "expected"),
    [
        ("", list(range(1, 31))),
        ("q=N11", [11]),
        ("q=BQN&carrier__carrier__exact=UA", [5, 10, 15, 20, 25, 30]),
        ("carrier__carrier__exact=AA", [7]),
        ("date__year=2013&date__month=1", list(range(1, 31))),
        ("date__year=2012", []),
        ("o=-1&p=2&all=", list(range(1, 31))),
        ("q=none", []),
    ],
)
def test_the_list_gives_what_it_shows_over_all_its_pages(superuser, query_string, expected):
    # With one airline alone, the list offers no choice of airlines, and ignores one.
    Flight.objects.filter(pk=7).update(
        carrier=Airline.objects.create(carrier="AA", name="American")
    )

    assert listed(superuser, query_string) == expected


@pytest.mark.usefixtures("flights")
def test_ticked_rows_are_those_and_only_if_the_list_shows_them(superuser):
    assert listed(superuser, keys=["3", "5"]) == [3, 5]
    assert listed(superuser, "q=BQN", keys=["3", "5"]) == [5]
    assert listed(superuser, keys=[]) == []
    assert listed(superuser, keys=["999"]) == []


@pytest.mark.usefixtures("flights")
def test_a_list_and_filters_narrow_together(superuser):
    found = select(
        superuser,
        filters={"arr_delay_min": 20},
        changelist={"model": "demo.flight", "query": "q=BQN"},
    )

    assert found == [20, 25, 30]


@pytest.mark.usefixtures("flights")
def test_a_list_without_filters_leaves_the_query_as_simple_as_it_was(superuser):
    rows = queryset.rows(
        registry.get("flights"), superuser, {"changelist": {"model": "demo.flight", "query": ""}}
    )

    assert "IN (" not in str(rows.query)


@pytest.mark.parametrize(
    "query_string",
    ["carrier__nam=UA", "id__in=x", "carrier__password=1", "date__year=x", "q=%00"],
)
def test_a_list_that_cannot_be_read_is_refused(superuser, query_string):
    with pytest.raises(InvalidSelection):
        listed(superuser, query_string)


def test_a_list_is_read_with_the_rights_of_its_owner(superuser):
    make_flights([1, 2])
    export = request(superuser, changelist={"model": "demo.flight", "query": ""})
    User.objects.update(is_superuser=False)
    User.objects.get().user_permissions.add(Permission.objects.get(codename="export_flight"))
    export.refresh_from_db()

    with pytest.raises(NotPermitted, match="permission to view flights"):
        queryset.rows_and_columns(export)


def test_a_question_asks_the_database_once_for_what_a_filter_names(
    superuser, flights, django_assert_num_queries
):
    filters = {"carrier": "UA", "origin": "EWR"}
    made = spec_filters.filterset(
        registry.get("flights"), Flight.objects.all(), {}, RequestFactory().get("/")
    )
    fields = [made.form.fields[name] for name in filters]

    with django_assert_num_queries(2):
        asked = build_spec(superuser, exporter="flights", filters=filters)

    assert all(isinstance(field, ModelChoiceField) for field in fields)
    assert asked.params == {"filters": filters}


def test_what_a_method_of_a_filter_refuses_is_refused_when_it_is_asked_for(superuser):
    class Choosy(django_filters.FilterSet):
        airline = django_filters.CharFilter(method="refuse")

        def refuse(self, queryset, name, value):
            raise InvalidFilter(f"{value} is none.")

    class Refused(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        filterset = Choosy
        columns = ["id"]

    with registered(Refused), pytest.raises(InvalidFilter, match="UA is none"):
        build_spec(superuser, exporter="refused", filters={"airline": "UA"})


def test_no_rows_are_read_before_they_are_asked_for(superuser, django_assert_num_queries):
    with django_assert_num_queries(0):
        queryset.rows(registry.get("flights"), superuser, {"filters": {"arr_delay_min": 10}})


@pytest.mark.parametrize("number", ["1e300000", "-1e401", "NaN", "Infinity"])
def test_a_number_that_no_column_can_have_is_refused(superuser, number):
    with pytest.raises(InvalidFilter, match="dep_delay"):
        queryset.rows(registry.get("flights"), superuser, {"filters": {"dep_delay_min": number}})
