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


def test_all_columns_come_in_order_by_default():
    exporter = registry.get("airports")

    found = [column.name for column in choose_columns(exporter, None)]

    assert found == ["faa", "name", "lat", "lon", "alt", "tz", "dst", "tzone"]


def test_chosen_columns_keep_the_chosen_order():
    found = choose_columns(registry.get("airports"), ["name", "faa"])

    assert [column.name for column in found] == ["name", "faa"]


# -- Filters ------------------------------------------------------------------------


@pytest.mark.usefixtures("flights")
def test_no_filters_select_all_rows(superuser):
    assert select(superuser) == select(superuser, filters={}) == list(range(1, 31))


@pytest.mark.usefixtures("flights")
def test_filters_narrow_together(superuser):
    found = select(superuser, filters={"arr_delay_min": 10, "arr_delay_max": "12", "carrier": "UA"})

    assert found == [10, 11, 12]


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize("empty", [None, "", []])
def test_empty_filter_selects_all_rows(superuser, empty):
    assert select(superuser, filters={"tailnum": empty, "month": empty}) == list(range(1, 31))


def test_second_value_of_a_single_filter_is_refused(superuser):
    with pytest.raises(InvalidFilter, match='"carrier" accepts only one value'):
        select(superuser, filters={"carrier": ["UA", "AA"]})


@pytest.mark.parametrize("value", [{"a": 1}, [["UA"]], "\0", "\ud800", math.nan, -math.inf])
def test_impossible_filter_value_is_refused(superuser, value):
    for name in ("carrier", "tailnum", "month"):
        with pytest.raises(InvalidFilter, match=f'"{name}"'):
            select(superuser, filters={name: value})


def test_refusal_has_names_for_programs_and_labels_for_users(superuser):
    with pytest.raises(InvalidFilter) as refused:
        select(superuser, filters={"dep_delay_min": "late", "month": 13})

    assert 'The filter "dep_delay" is not valid: Enter a number.' in str(refused.value)
    assert "Departure delay: Enter a number." in refused.value.page_message()
    assert "Month: Ensure this value is less than or equal to 12." in refused.value.page_message()
    assert "dep_delay" not in refused.value.page_message()


def test_exporter_without_filters_says_so(superuser):
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
def test_filter_through_many_rows_gives_each_row_once(superuser):
    with registered(Carriers):
        assert select(superuser, "carriers", filters={"distance": 1_400}) == ["UA"]


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize("value", [["UA", "AA"], ["UA"], "UA"])
def test_multiple_choice_filter_does_not_need_distinct(superuser, value):
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
def test_boolean_filter_takes_json_values(superuser, value, expected):
    Airline.objects.create(carrier="B6", name="JetBlue Airways")

    with registered(Carriers):
        assert select(superuser, "carriers", filters={"is_united": value}) == expected


def test_distinct_queryset_of_the_user_gives_each_row_once(superuser):
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


def test_stored_spec_gives_its_rows_and_columns(superuser, flights):
    export = request(superuser, columns=["flight", "id"], filters={"arr_delay_min": 29})

    rows, columns = queryset.rows_and_columns(export)

    assert keys(rows) == [29, 30]
    assert [column.name for column in columns] == ["flight", "id"]


def test_stored_spec_finds_current_rows(superuser, flights):
    export = request(superuser, filters={"arr_delay_min": 29})
    Flight.objects.filter(pk=1).update(arr_delay=99)

    assert keys(queryset.rows_and_columns(export)[0]) == [1, 29, 30]


@pytest.mark.proves("export-needs-permission")
def test_stored_spec_needs_the_owners_permission():
    user = User.objects.create_user("somebody")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    export = request(user)
    user.user_permissions.clear()
    export.refresh_from_db()

    with pytest.raises(NotPermitted):
        queryset.rows_and_columns(export)


def test_stored_spec_of_a_deactivated_user_is_refused(superuser):
    export = request(superuser)
    User.objects.update(is_active=False)
    export.refresh_from_db()

    with pytest.raises(NotPermitted):
        queryset.rows_and_columns(export)


def test_stored_column_that_was_removed_is_named(superuser):
    export = request(superuser)
    export.params = {"columns": ["id", "gate"]}

    with pytest.raises(UnknownColumn, match='"gate"'):
        queryset.rows_and_columns(export)


def test_stored_exporter_that_was_removed_is_named(superuser):
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
def test_list_selects_the_rows_of_all_its_pages(superuser, query_string, expected):
    # With one airline alone, the list offers no choice of airlines, and ignores one.
    Flight.objects.filter(pk=7).update(
        carrier=Airline.objects.create(carrier="AA", name="American")
    )

    assert listed(superuser, query_string) == expected


@pytest.mark.usefixtures("flights")
def test_ticked_rows_are_selected_if_the_list_shows_them(superuser):
    assert listed(superuser, keys=["3", "5"]) == [3, 5]
    assert listed(superuser, "q=BQN", keys=["3", "5"]) == [5]
    assert listed(superuser, keys=[]) == []
    assert listed(superuser, keys=["999"]) == []


@pytest.mark.usefixtures("flights")
def test_list_and_filters_narrow_together(superuser):
    found = select(
        superuser,
        filters={"arr_delay_min": 20},
        changelist={"model": "demo.flight", "query": "q=BQN"},
    )

    assert found == [20, 25, 30]


@pytest.mark.usefixtures("flights")
def test_list_without_filters_adds_no_subquery(superuser):
    rows = queryset.rows(
        registry.get("flights"), superuser, {"changelist": {"model": "demo.flight", "query": ""}}
    )

    assert "IN (" not in str(rows.query)


@pytest.mark.parametrize(
    "query_string",
    ["carrier__nam=UA", "id__in=x", "carrier__password=1", "date__year=x", "q=%00"],
)
def test_unreadable_list_is_refused(superuser, query_string):
    with pytest.raises(InvalidSelection):
        listed(superuser, query_string)


def test_list_needs_the_current_rights_of_its_owner(superuser):
    make_flights([1, 2])
    export = request(superuser, changelist={"model": "demo.flight", "query": ""})
    User.objects.update(is_superuser=False)
    User.objects.get().user_permissions.add(Permission.objects.get(codename="export_flight"))
    export.refresh_from_db()

    with pytest.raises(NotPermitted, match="permission to view flights"):
        queryset.rows_and_columns(export)


def test_spec_queries_each_related_filter_once(superuser, flights, django_assert_num_queries):
    filters = {"carrier": "UA", "origin": "EWR"}
    made = spec_filters.validated_filterset(
        registry.get("flights"), Flight.objects.all(), {}, RequestFactory().get("/")
    )
    fields = [made.form.fields[name] for name in filters]

    with django_assert_num_queries(2):
        asked = build_spec(superuser, exporter="flights", filters=filters)

    assert all(isinstance(field, ModelChoiceField) for field in fields)
    assert asked.params == {"filters": filters}


def test_refusal_of_a_filter_method_is_raised_at_the_request(superuser):
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


def test_rows_are_not_read_before_iteration(superuser, django_assert_num_queries):
    with django_assert_num_queries(0):
        queryset.rows(registry.get("flights"), superuser, {"filters": {"arr_delay_min": 10}})


@pytest.mark.parametrize("number", ["1e300000", "-1e401", "NaN", "Infinity"])
def test_impossible_number_is_refused(superuser, number):
    with pytest.raises(InvalidFilter, match="dep_delay"):
        queryset.rows(registry.get("flights"), superuser, {"filters": {"dep_delay_min": number}})
