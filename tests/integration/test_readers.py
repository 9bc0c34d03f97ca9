"""The rows reader: each row once, in the order of keys, a value a column."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.db.models import Count, Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import Concat, Upper
from django.test.utils import CaptureQueriesContext

from demo.models import Airline, Airport, Flight
from exports import registry
from exports.engine.plan import Range, plan
from exports.engine.readers.rows import read
from exports.exporter import Column
from exports.models import Export
from tests.exporting import make_flights

pytestmark = pytest.mark.django_db(transaction=True)


def rows_of(queryset, *columns, part_rows=1_000, page_rows=7):
    """All rows of all parts."""
    made = [Column(each) if isinstance(each, str) else each for each in columns]
    return [
        row
        for keys in plan(queryset, part_rows)
        for page in read(queryset, made, keys, page_rows)
        for row in page
    ]


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 14, 15, 50])
@pytest.mark.parametrize("part_rows", [1, 7, 10, 1_000])
def test_every_row_comes_once_in_the_order_of_its_key(rows, part_rows):
    make_flights(range(1, rows + 1))

    found = rows_of(Flight.objects.order_by("-distance"), "id", part_rows=part_rows)

    assert found == [(key,) for key in range(1, rows + 1)]


def test_gaps_and_negative_keys_are_read():
    keys = [-5, 0, 3, 4, 1_000, 2**40]
    make_flights(keys)

    assert rows_of(Flight.objects.all(), "id", part_rows=4, page_rows=2) == [(k,) for k in keys]


def test_text_keys_are_read_in_the_databases_own_order():
    codes = ["B", "a", "Z", "é", "_", "10", "9", "", "A B", "ß"]
    Airport.objects.bulk_create(
        Airport(faa=code, name=code, lat=0, lon=0, alt=0, tz=0, dst="A") for code in codes
    )

    found = rows_of(Airport.objects.all(), "faa", part_rows=4, page_rows=3)

    assert found == list(Airport.objects.order_by("pk").values_list("pk"))
    assert len(found) == len(codes)


def test_uuid_keys_are_read():
    owner = User.objects.create_user("owner")
    keys = sorted(
        each.pk for each in Export.objects.bulk_create(Export(owner=owner) for _ in range(20))
    )

    assert rows_of(Export.objects.all(), "id", part_rows=9, page_rows=4) == [(k,) for k in keys]


def test_pages_are_as_long_as_asked_and_no_longer():
    make_flights(range(1, 21))

    pages = list(read(Flight.objects.all(), [Column("id")], Range(None, 20, 20), 8))

    assert [len(page) for page in pages] == [8, 8, 4]


def test_only_the_rows_of_the_range_are_read():
    make_flights(range(1, 21))

    pages = list(read(Flight.objects.all(), [Column("id")], Range(5, 9, 4), 100))

    assert pages == [[(6,), (7,), (8,), (9,)]]


# -- Columns ------------------------------------------------------------------------


def test_columns_come_in_their_order_whatever_makes_them():
    make_flights([8])

    found = rows_of(
        Flight.objects.all(),
        "carrier__name",
        Column("delay", F("arr_delay") - F("dep_delay")),
        "id",
        Column("speed", needs=["distance", "air_time"], python=lambda a, b: a / b),
        Column("route", Concat("origin_id", Value("-"), "dest_code")),
        "distance",
        Column("shout", Upper("carrier__name")),
    )

    assert found == [
        ("United Air Lines Inc.", 6, 8, 1_400 / 227, "EWR-IAH", 1_400, "UNITED AIR LINES INC.")
    ]


def test_fields_may_be_read_twice_and_the_key_as_well():
    make_flights([8])

    found = rows_of(
        Flight.objects.all(),
        "distance",
        Column("miles", "distance"),
        Column("sum", needs=["distance", "distance", "id"], python=lambda *values: sum(values)),
        "pk",
        "id",
    )

    assert found == [(1_400, 1_400, 2_808, 8, 8)]


def test_an_expression_may_be_called_as_a_field_is():
    make_flights([8])

    found = rows_of(Flight.objects.all(), Column("distance", F("distance") * 2), "flight")

    assert found == [(2_800, 8)]


def test_a_python_column_gets_its_needs_through_relations_and_with_nothing():
    make_flights([4, 5])

    found = rows_of(
        Flight.objects.all(), Column("to", needs=["dest__name", "id"], python=lambda *needs: needs)
    )

    assert found == [(('George "Bush", Houston', 4),), ((None, 5),)]


def test_rows_whose_joins_find_nothing_are_kept():
    make_flights(range(1, 31))

    found = rows_of(Flight.objects.all(), "id", "dest__name", "plane__manufacturer")

    assert len(found) == 30
    assert [row[0] for row in found if row[1] is None] == [5, 10, 15, 20, 25, 30]
    assert {row[2] for row in found} == {None}


def test_subqueries_and_aggregates_are_columns():
    make_flights(range(1, 31))
    late = Flight.objects.filter(carrier=OuterRef("pk"), arr_delay__gt=100)
    last = Flight.objects.filter(carrier=OuterRef("pk")).order_by("-id")

    found = rows_of(
        Airline.objects.all(),
        "carrier",
        Column("flights", Count("flights")),
        Column("late", Exists(late)),
        Column("last", Subquery(last.values("id")[:1])),
    )

    assert found == [("UA", 30, False, 30)]


def test_an_annotation_of_the_queryset_is_a_column():
    make_flights([8])

    assert rows_of(Flight.objects.annotate(delay=F("arr_delay") - 2), "delay", "id") == [(6, 8)]


def test_values_have_the_types_of_their_fields():
    make_flights([8])
    moment = datetime.datetime(2013, 1, 1, 10, tzinfo=datetime.UTC)
    key = uuid.uuid4()

    ((*found,),) = rows_of(
        Flight.objects.all(),
        "date",
        "time_hour",
        Column(
            "decimal", Value(Decimal("1.50"), models.DecimalField(max_digits=9, decimal_places=2))
        ),
        Column("truth", Value(True, models.BooleanField())),
        Column("uuid", Value(key, models.UUIDField())),
        Column("duration", Value(datetime.timedelta(days=1, seconds=2), models.DurationField())),
        Column("json", Value({"a": [1, None]}, models.JSONField())),
        Column("bytes", Value(b"\x00\xff", models.BinaryField())),
        "plane",
    )

    assert found[:6] == [
        datetime.date(2013, 1, 1),
        moment,
        Decimal("1.50"),
        True,
        key,
        datetime.timedelta(days=1, seconds=2),
    ]
    assert found[1].tzinfo is not None
    assert found[6] == {"a": [1, None]}
    assert bytes(found[7]) == b"\x00\xff"
    assert found[8] is None


def test_all_columns_of_the_demo_are_read_in_one_query_a_page():
    make_flights(range(1, 6))

    with CaptureQueriesContext(connection) as queries:
        rows = [
            row
            for page in read(
                Flight.objects.all(),
                registry.get("flights").all_columns(),
                Range(None, 5, 5),
                100,
            )
            for row in page
        ]

    assert len(queries) == 1
    assert {len(row) for row in rows} == {21}


# -- While others write -------------------------------------------------------------


def pages_with(change, page_rows=10):
    """The keys read from 30 rows when `change` happens after the first page."""
    make_flights(range(10, 310, 10))
    (keys,) = plan(Flight.objects.all(), 100)
    pages = read(Flight.objects.all(), [Column("id"), Column("arr_delay")], keys, page_rows)
    first = next(pages)
    change()
    return [row[0] for page in [first, *pages] for row in page]


def test_rows_deleted_meanwhile_are_left_out_and_take_no_others_with_them():
    found = pages_with(lambda: Flight.objects.filter(id__in=[50, 100, 110, 200, 300]).delete())

    assert found == [key for key in range(10, 310, 10) if key not in {110, 200, 300}]


def test_rows_added_meanwhile_come_at_most_once_and_move_no_others():
    found = pages_with(lambda: make_flights([5, 105, 305]))

    assert found == sorted([*range(10, 310, 10), 105])


def test_rows_changed_meanwhile_come_once_whatever_they_are_ordered_by():
    found = pages_with(lambda: Flight.objects.update(distance=F("id") * -1, arr_delay=None))

    assert found == list(range(10, 310, 10))


def test_a_row_is_never_half_old_and_half_new():
    def change():
        Flight.objects.filter(id__gt=100).update(arr_delay=1, dep_delay=1, distance=1)

    make_flights(range(10, 310, 10))
    (keys,) = plan(Flight.objects.all(), 100)
    columns = [Column("id"), Column("arr_delay"), Column("dep_delay"), Column("distance")]
    pages = read(Flight.objects.all(), columns, keys, 10)
    rows = list(next(pages))
    change()
    rows += [row for page in pages for row in page]

    new = {row[0] for row in rows if row[1:] == (1, 1, 1)}
    old = {row[0] for row in rows if row[2:] == (2, 1_400)}
    assert (len(old), len(new)) == (10, 20)
    assert old | new == set(range(10, 310, 10))


def test_a_range_whose_last_key_is_deleted_ends_all_the_same():
    make_flights(range(1, 21))
    first, second = plan(Flight.objects.all(), 10)
    Flight.objects.filter(id__in=[10, 20]).delete()

    found = [
        row[0]
        for keys in (first, second)
        for page in read(Flight.objects.all(), [Column("id")], keys, 5)
        for row in page
    ]

    assert found == [key for key in range(1, 21) if key not in {10, 20}]
