"""A query is cut into ranges of keys that hold each row once, for any kind of key."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.models import User
from django.db.models import Count

from demo.models import Airline, Airport, Flight
from exports.models import Export
from exports.readers.plan import Range
from tests.support.exporting import make_flights
from tests.support.reading import Watched, planned

pytestmark = pytest.mark.django_db(transaction=True)


def make_airports(codes):
    Airport.objects.bulk_create(
        Airport(faa=code, name=code, lat=0, lon=0, alt=0, tz=0, dst="A") for code in codes
    )


def assert_covers(ranges, queryset):
    """Each row of `queryset` is in one of `ranges`, and each has as many as it says."""
    keys = list(queryset.order_by("pk").values_list("pk", flat=True))
    found = []
    for each in ranges:
        inside = queryset.filter(pk__lte=each.upto)
        if each.after is not None:
            inside = inside.filter(pk__gt=each.after)
        assert inside.count() == each.rows
        found += inside.order_by("pk").values_list("pk", flat=True)
    assert found == keys


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, []),
        (1, [Range(None, 1, 1)]),
        (9, [Range(None, 9, 9)]),
        (10, [Range(None, 10, 10)]),
        (11, [Range(None, 10, 10), Range(10, 11, 1)]),
        (20, [Range(None, 10, 10), Range(10, 20, 10)]),
        (29, [Range(None, 10, 10), Range(10, 20, 10), Range(20, 29, 9)]),
    ],
)
def test_parts_are_full_except_the_last(rows, expected):
    make_flights(range(1, rows + 1))

    assert planned(Flight.objects.all(), 10) == expected


def test_many_rows_are_cut_at_the_planned_sizes():
    make_flights(range(1, 2_502))

    ranges = planned(Flight.objects.all(), 100)

    assert [each.rows for each in ranges] == [100] * 25 + [1]
    assert [each.upto for each in ranges] == [*range(100, 2_501, 100), 2_501]
    assert [each.after for each in ranges] == [None, *range(100, 2_501, 100)]


def test_single_rows_can_be_parts():
    make_flights([3, 5])

    assert planned(Flight.objects.all(), 1) == [Range(None, 3, 1), Range(3, 5, 1)]


def test_gaps_between_keys_make_no_difference():
    make_flights([-7, 2, 3, 1_000, 1_000_000, 2**40])

    ranges = planned(Flight.objects.all(), 4)

    assert ranges == [Range(None, 1_000, 4), Range(1_000, 2**40, 2)]
    assert_covers(ranges, Flight.objects.all())


def test_text_keys_are_cut_in_the_databases_own_order():
    codes = ["B", "a", "Z", "É", "é", "_", "10", "9", "ab", "A B", "'", "ß"]
    make_airports(codes)

    ranges = planned(Airport.objects.all(), 5)

    assert [each.rows for each in ranges] == [5, 5, 2]
    assert_covers(ranges, Airport.objects.all())


def test_empty_text_works_as_a_key():
    make_airports(["", "A"])

    ranges = planned(Airport.objects.all(), 1)

    assert ranges == [Range(None, "", 1), Range("", "A", 1)]
    assert_covers(ranges, Airport.objects.all())


def test_uuid_keys_are_planned():
    owner = User.objects.create_user("owner")
    exports = Export.objects.bulk_create(Export(owner=owner) for _ in range(23))

    ranges = planned(Export.objects.all(), 10)

    assert [each.rows for each in ranges] == [10, 10, 3]
    assert all(isinstance(each.upto, uuid.UUID) for each in ranges)
    assert ranges[-1].upto == max(export.pk for export in exports)
    assert_covers(ranges, Export.objects.all())


@pytest.mark.parametrize(
    "narrow",
    [
        lambda rows: rows.filter(arr_delay__gt=50),
        lambda rows: rows.filter(dest__name__startswith="George"),
        lambda rows: rows.filter(dest=None),
        lambda rows: rows.exclude(tailnum=None),
        lambda rows: rows.filter(pk__in=Flight.objects.filter(arr_delay=3).values("pk")),
        lambda rows: rows.filter(pk__in=[1, 5, 7, 300]),
        lambda rows: rows.none(),
        lambda rows: rows.select_related("carrier", "dest").order_by("-distance", "tailnum"),
        lambda rows: rows.only("id").defer("distance"),
    ],
)
def test_filters_and_orders_do_not_break_the_plan(narrow):
    make_flights(range(1, 301))
    rows = narrow(Flight.objects.all())

    ranges = planned(rows, 7)

    assert sum(each.rows for each in ranges) == rows.count()
    assert all(each.rows == 7 for each in ranges[:-1])
    assert_covers(ranges, rows)


@pytest.mark.only_on("sqlite")
def test_plan_sorts_in_the_window_only():
    make_flights(range(1, 6))
    source = Watched()

    ranges = planned(Flight.objects.all(), 2, source)

    assert [each.rows for each in ranges] == [2, 2, 1]
    # In the window an index gives the order. Anywhere else all rows would be sorted.
    assert "ORDER BY" not in re.sub(r"OVER \([^)]*\)", "", source.queries[0])


def test_plan_does_not_fetch_the_rows():
    make_flights(range(1, 101))
    source = Watched()

    planned(Flight.objects.select_related("carrier"), 40, source)

    assert len(source.queries) == 2
    assert [sql for sql in source.queries if "distance" in sql] == []


def test_plan_counts_groups_and_not_their_members():
    make_flights(range(1, 31))
    Airline.objects.bulk_create(Airline(carrier=f"X{n}", name="Another") for n in range(5))
    rows = Airline.objects.annotate(number=Count("flights"))

    for queryset, counts in ((rows, [4, 2]), (rows.filter(number__gt=1), [1])):
        ranges = planned(queryset, 4)

        assert [each.rows for each in ranges] == counts
        assert_covers(ranges, queryset)


def delete_all_before(query):
    return Watched(before=lambda asked: Flight.objects.all().delete() if asked == query else None)


@pytest.mark.only_on("sqlite")
def test_rows_deleted_during_planning_make_no_range():
    make_flights([1, 2, 3, 4])

    assert planned(Flight.objects.all(), 3, delete_all_before(1)) == [Range(None, 3, 3)]


@pytest.mark.only_on("postgres")
def test_snapshot_plan_keeps_rows_deleted_during_planning():
    make_flights([1, 2, 3, 4])

    ranges = planned(Flight.objects.all(), 3, delete_all_before(1))

    assert ranges == [Range(None, 3, 3), Range(3, 4, 1)]
    assert not Flight.objects.exists()
