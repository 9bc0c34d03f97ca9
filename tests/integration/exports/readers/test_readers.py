"""The rows reader: each row once, in the order of keys, a text or a value a column."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal
from threading import Event

import pytest
from django.contrib.auth.models import User
from django.db import connection, models
from django.db.models import Count, Exists, F, OuterRef, Subquery, Value
from django.db.models.functions import Concat, Repeat, Upper
from django.test.utils import CaptureQueriesContext

from demo.models import Airline, Airport, Flight
from exports.exceptions import UnreadableRow
from exports.exporters import Column, registry
from exports.models import Export
from exports.readers.plan import Range
from tests.support.exporting import make_flights
from tests.support.reading import Watched, blocks_of, pages_of, planned, rows_of

# What PostgreSQL reads for a part is read as of one moment.
AT_ONE_MOMENT = connection.vendor == "postgresql"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source():
    opened = Watched()
    yield opened
    opened.close()


def keys_of(keys):
    """The rows of a column of those keys."""
    return [(str(key),) for key in keys]


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 14, 15, 50])
@pytest.mark.parametrize("part_rows", [1, 7, 10, 1_000])
def test_every_row_comes_once_in_the_order_of_its_key(rows, part_rows):
    make_flights(range(1, rows + 1))

    found = rows_of(Flight.objects.order_by("-distance"), "id", part_rows=part_rows)

    assert found == keys_of(range(1, rows + 1))


def test_gaps_and_negative_keys_are_read():
    keys = [-5, 0, 3, 4, 1_000, 2**40]
    make_flights(keys)

    assert rows_of(Flight.objects.all(), "id", part_rows=4, page_rows=2) == keys_of(keys)


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

    assert rows_of(Export.objects.all(), "id", part_rows=9, page_rows=4) == keys_of(keys)


def test_pages_have_at_most_the_requested_rows(source):
    make_flights(range(1, 21))

    pages = list(pages_of(source, Flight.objects.all(), ["id"], Range(None, 20, 20), 8))

    assert [len(page[0]) for page in pages] == [8, 8, 4]


def test_only_the_rows_of_the_range_are_read(source):
    make_flights(range(1, 21))

    ((column,),) = pages_of(source, Flight.objects.all(), ["id"], Range(5, 9, 4), 100)

    assert list(column) == ["6", "7", "8", "9"]


def test_range_without_rows_has_no_pages(source):
    make_flights(range(1, 21))
    nothing = Flight.objects.none()

    assert list(pages_of(source, Flight.objects.all(), ["id"], Range(20, 30, 4), 100)) == []
    assert list(pages_of(source, nothing, ["id"], Range(None, 30, 4), 100)) == []


# -- Columns ------------------------------------------------------------------------


def test_columns_keep_their_order_for_every_kind_of_source():
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
        (
            "United Air Lines Inc.",
            "6",
            "8",
            1_400 / 227,
            "EWR-IAH",
            "1400",
            "UNITED AIR LINES INC.",
        )
    ]


def test_fields_and_the_key_may_be_read_twice():
    make_flights([8])

    found = rows_of(
        Flight.objects.all(),
        "distance",
        Column("miles", "distance"),
        Column("sum", needs=["distance", "distance", "id"], python=lambda *values: sum(values)),
        "pk",
        "id",
    )

    assert found == [("1400", "1400", 2_808, "8", "8")]


def test_expression_may_have_the_name_of_a_field():
    make_flights([8])

    found = rows_of(Flight.objects.all(), Column("distance", F("distance") * 2), "flight")

    assert found == [("2800", "8")]


def test_python_column_gets_related_values_or_none():
    make_flights([4, 5])

    found = rows_of(
        Flight.objects.all(), Column("to", needs=["dest__name", "id"], python=lambda *needs: needs)
    )

    assert found == [(('George "Bush", Houston', 4),), ((None, 5),)]


def test_rows_with_empty_joins_are_kept():
    make_flights(range(1, 31))

    found = rows_of(Flight.objects.all(), "id", "dest__name", "plane__manufacturer")

    assert len(found) == 30
    assert [row[0] for row in found if row[1] is None] == ["5", "10", "15", "20", "25", "30"]
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

    assert found == [("UA", "30", "false", "30")]


def test_groups_of_an_aggregate_are_rows():
    make_flights(range(1, 31))
    Airline.objects.bulk_create(Airline(carrier=f"X{n}", name="Another") for n in range(5))
    counted = Airline.objects.annotate(number=Count("flights"))

    all_rows = rows_of(counted, "carrier", "number", "name", part_rows=2, page_rows=2)
    large = rows_of(counted.filter(number__gt=3), "number", "carrier")

    assert all_rows == [
        ("UA", "30", "United Air Lines Inc."),
        *((f"X{n}", "0", "Another") for n in range(5)),
    ]
    assert large == [("30", "UA")]


def test_annotation_of_the_queryset_is_a_column():
    make_flights([8])

    assert rows_of(Flight.objects.annotate(delay=F("arr_delay") - 2), "delay", "id") == [("6", "8")]


def test_values_have_the_text_form_of_their_kind():
    make_flights([8])
    key = uuid.uuid4()

    (found,) = rows_of(
        Flight.objects.all(),
        "date",
        "time_hour",
        Column(
            "decimal", Value(Decimal("1.25"), models.DecimalField(max_digits=9, decimal_places=2))
        ),
        Column("truth", Value(True, models.BooleanField())),
        Column("uuid", Value(key, models.UUIDField())),
        Column("duration", Value(datetime.timedelta(days=1, seconds=2), models.DurationField())),
        Column("bytes", Value(b"\x00\xff", models.BinaryField())),
        "plane",
        Column("json", Value({"a": [1, None]}, models.JSONField())),
    )

    assert found[:-1] == (
        "2013-01-01",
        "2013-01-01T10:00:00+00:00",
        "1.25",
        "true",
        str(key),
        "P1DT2S",
        "00ff",
        None,
    )
    assert json.loads(found[-1]) == {"a": [1, None]}


def test_demo_columns_need_one_query_a_page(source):
    make_flights(range(1, 6))
    columns = registry.get("flights").all_columns()

    with CaptureQueriesContext(connection) as queries:
        pages = list(pages_of(source, Flight.objects.all(), columns, Range(None, 5, 5), 100))

    assert len(source.queries) == 1
    assert len(queries) == (0 if source.is_postgres else 1)
    assert [len(page) for page in pages] == [21]


# -- Python columns -----------------------------------------------------------------


def test_error_of_a_function_names_the_column_and_the_row():
    make_flights(range(1, 31))
    speed = Column(
        "speed", needs=["distance", "arr_delay"], python=lambda a, b: a / b, header="Speed (mph)"
    )

    late = Flight.objects.exclude(arr_delay=None)
    late.filter(id=17).update(arr_delay=0)

    with pytest.raises(UnreadableRow) as raised:
        rows_of(late, "id", speed, page_rows=4)

    assert str(raised.value) == (
        'The column "Speed (mph)" cannot be computed for row 17: '
        "ZeroDivisionError: division by zero"
    )
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


# -- While others write -------------------------------------------------------------


KEYS = range(10, 310, 10)


def pages_with(source, change):
    """The keys read from 30 rows when `change` happens after the first page of 10."""
    make_flights(KEYS)
    (keys,) = planned(Flight.objects.all(), 100)
    pages = pages_of(source, Flight.objects.all(), ["id", "arr_delay"], keys, 10)
    first = next(pages)
    change()
    return [int(key) for page in [first, *pages] for key in page[0]]


@pytest.mark.proves("each-row-once")
def test_deleted_rows_are_left_out_and_take_no_others_along(source):
    gone = [50, 100, 110, 200, 300]

    found = pages_with(source, lambda: Flight.objects.filter(id__in=gone).delete())

    left_out = set() if AT_ONE_MOMENT else {110, 200, 300}
    assert found == [key for key in KEYS if key not in left_out]


@pytest.mark.proves("each-row-once")
def test_added_rows_come_at_most_once_and_displace_none(source):
    found = pages_with(source, lambda: make_flights([5, 105, 305]))

    assert found == sorted([*KEYS, *([] if AT_ONE_MOMENT else [105])])


@pytest.mark.proves("each-row-once")
def test_changed_rows_come_once_in_any_order(source):
    found = pages_with(source, lambda: Flight.objects.update(distance=F("id") * -1, arr_delay=None))

    assert found == list(KEYS)


@pytest.mark.proves("rows-are-not-torn")
def test_row_never_mixes_old_and_new_values(source):
    make_flights(KEYS)
    (keys,) = planned(Flight.objects.all(), 100)
    columns = ["id", "arr_delay", "dep_delay", "distance"]
    pages = pages_of(source, Flight.objects.all(), columns, keys, 10)
    rows = list(zip(*next(pages), strict=True))
    Flight.objects.filter(id__gt=100).update(arr_delay=1, dep_delay=1, distance=1)
    rows += [row for page in pages for row in zip(*page, strict=True)]

    new = {row[0] for row in rows if row[1:] == ("1", "1", "1")}
    old = {row[0] for row in rows if row[2:] == ("2", "1400")}
    assert (len(old), len(new)) == ((30, 0) if AT_ONE_MOMENT else (10, 20))
    assert old | new == {str(key) for key in KEYS}


def test_range_without_its_last_key_still_ends(source):
    make_flights(range(1, 21))
    first, second = planned(Flight.objects.all(), 10)
    Flight.objects.filter(id__in=[10, 20]).delete()

    found = [
        int(key)
        for keys in (first, second)
        for page in pages_of(source, Flight.objects.all(), ["id"], keys, 5)
        for key in page[0]
    ]

    assert found == [key for key in range(1, 21) if key not in {10, 20}]


def test_abandoned_reader_can_be_used_again(source):
    make_flights(range(1, 21))
    keys = Range(None, 20, 20)

    left = pages_of(source, Flight.objects.all(), ["id"], keys, 5)
    next(left)
    left.close()

    pages = list(pages_of(source, Flight.objects.all(), ["id", "time_hour"], keys, 20))
    assert list(pages[0][0]) == [str(key) for key in range(1, 21)]
    assert set(pages[0][1]) == {"2013-01-01T10:00:00+00:00"}


@pytest.mark.only_on("postgres")
@pytest.mark.parametrize("by", ["rows", "copy"])
def test_slow_consumer_of_rows_causes_no_timeout(source, by):
    """The server has said all, or waits until more is taken: both for longer than it may."""
    make_flights(range(1, 6))
    flights, columns = Flight.objects.all(), [Column("long", Repeat(Value("x"), 500_000))]
    (keys,) = planned(flights, 10)
    with source.connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '200ms'")
        cursor.execute("SET idle_in_transaction_session_timeout = '200ms'")

    count = 0
    for rows in blocks_of(source, flights, columns, keys, by):
        Event().wait(0.3)
        count += rows

    assert count == 5
