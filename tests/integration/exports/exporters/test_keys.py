"""Any primary key will do: rows come once and in its order, and as text it comes back exactly."""

from __future__ import annotations

import datetime
import json
import random
import uuid
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, Exists, OuterRef
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exports.exceptions import UnreadableRow
from exports.exporters import Column
from exports.models import Export
from exports.readers.plan import key_text, read_key
from tests.support.exactness_models import Big, Place, Priced, Small, Stop, Timed, tables
from tests.support.reading import extracted, planned, rows_of
from tests.support.samples import TEXTS, UTC

pytestmark = pytest.mark.django_db(transaction=True)

READERS = ["rows", *(["copy"] if connection.vendor == "postgresql" else [])]
READER = pytest.mark.parametrize("by", READERS)
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# -- As text ------------------------------------------------------------------------

_texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TEXTS)
_moments = st.datetimes(timezones=st.just(UTC))
_numbers = st.decimals(
    Decimal("-9999999.99"), Decimal("9999999.99"), allow_nan=False, allow_infinity=False, places=2
)
KEYS = {
    Small: st.integers(-(2**15), 2**15 - 1),
    Big: st.integers(-(2**63), 2**63 - 1),
    Place: _texts,
    Timed: _moments,
    Priced: _numbers,
    Export: st.uuids(),
    Stop: st.tuples(_texts, _moments, st.uuids(), _texts, _numbers),
}


@pytest.mark.parametrize("model", KEYS, ids=lambda model: model.__name__)
@given(data=st.data())
def test_key_survives_conversion_to_text(model, data):
    key = data.draw(KEYS[model])

    back = read_key(model, key_text(model, key))

    assert back == key
    assert type(back) is type(key)
    if isinstance(key, tuple):
        assert list(map(type, back)) == list(map(type, key))


# -- Each row once, in order --------------------------------------------------------------


@pytest.fixture
def own_tables():
    with tables():
        yield


def assert_each_once(queryset, by, *columns, read):
    """Each row comes once, in the order of all fields of the key, however it is cut."""
    order = [field.attname for field in queryset.model._meta.pk_fields]
    keys = list(queryset.order_by(*order).values_list(*order))
    assert len(set(keys)) == len(keys)
    for part_rows, page_rows in ((1_000, 1_000), (7, 3), (3, 7), (1, 1)):
        made = extracted(
            queryset, columns, "jsonl", by=by, part_rows=part_rows, page_rows=page_rows
        )

        rows = [tuple(json.loads(line).values()) for line in made.file.splitlines()]
        assert list(map(read, rows)) == keys
        assert made.rows == [part_rows] * (len(keys) // part_rows) + (
            [len(keys) % part_rows] if len(keys) % part_rows else []
        )


@READER
@pytest.mark.usefixtures("own_tables")
def test_datetimes_work_as_keys(by):
    start = datetime.datetime(1999, 12, 31, 23, 59, 59, 999_990, tzinfo=UTC)
    moments = [start + datetime.timedelta(microseconds=n) for n in range(20)]
    moments += [start - datetime.timedelta(days=365 * n) for n in range(1, 20)]
    Timed.objects.bulk_create(map(Timed, random.Random(1).sample(moments, len(moments))))

    assert_each_once(
        Timed.objects.all(),
        by,
        "moment",
        read=lambda row: (datetime.datetime.fromisoformat(row[0]),),
    )


@READER
@pytest.mark.usefixtures("own_tables")
def test_decimals_work_as_keys(by):
    prices = [Decimal(n) / 8 for n in range(-20, 20)] + [Decimal("99999999.0001")]
    Priced.objects.bulk_create(map(Priced, random.Random(1).sample(prices, len(prices))))

    assert_each_once(Priced.objects.all(), by, "price", read=lambda row: (Decimal(row[0]),))


@READER
@pytest.mark.usefixtures("own_tables")
def test_texts_work_as_keys(by):
    Place.objects.bulk_create(
        Place(code=text) for text in random.Random(1).sample(TEXTS, len(TEXTS)) if len(text) <= 40
    )

    assert_each_once(Place.objects.all(), by, "code", read=lambda row: row)


@READER
def test_uuids_work_as_keys(by):
    owner = User.objects.create_user("owner")
    Export.objects.bulk_create(Export(owner=owner) for _ in range(23))

    assert_each_once(Export.objects.all(), by, "id", read=lambda row: (uuid.UUID(row[0]),))


# -- Of several fields ----------------------------------------------------------------------

STOP = ["place_id", "moment", "uuid", "line", "number"]


def stop(row):
    """The key that a row of its fields means."""
    place, moment, key, line, number, *_ = row
    return place, datetime.datetime.fromisoformat(moment), uuid.UUID(key), line, Decimal(number)


def make_stops():
    """Keys that are equal in all fields but one."""
    odd = ["", "'", 'a "b"', "%s", "a, b", "\\", "é", "Z", "a", "(", "null"]
    Place.objects.bulk_create(Place(code=code, name=code) for code in odd)
    at = datetime.datetime(2013, 1, 1, tzinfo=UTC)
    base = ("'", at, uuid.UUID(int=5), "é", Decimal("1.10"))
    keys = {
        *((code, *base[1:]) for code in odd),
        *((base[0], at + datetime.timedelta(microseconds=n), *base[2:]) for n in range(5)),
        *((*base[:2], uuid.UUID(int=2**126 * n), *base[3:]) for n in range(4)),
        *((*base[:3], line, base[4]) for line in odd),
        *((*base[:4], Decimal(n) / 4) for n in range(-5, 5)),
    }
    shuffled = random.Random(1).sample(sorted(keys), len(keys))
    Stop.objects.bulk_create(
        Stop(**dict(zip(STOP, key, strict=True)), note=f"=note {number}")
        for number, key in enumerate(shuffled)
    )


@READER
@pytest.mark.usefixtures("own_tables")
def test_composite_keys_work_as_keys(by):
    make_stops()

    assert_each_once(Stop.objects.all(), by, *STOP, "note", read=stop)
    assert_each_once(Stop.objects.exclude(line="é"), by, *STOP, "place__name", read=stop)


@READER
@pytest.mark.usefixtures("own_tables")
def test_grouped_rows_with_a_composite_key_are_exported(by):
    make_stops()
    counted = Stop.objects.annotate(number_of=Count("place__name")).filter(number_of__gt=0)

    assert_each_once(counted, by, *STOP, "number_of", read=stop)


@pytest.mark.usefixtures("own_tables")
def test_composite_key_itself_is_a_json_column():
    make_stops()

    rows = rows_of(Stop.objects.all(), "pk", *STOP)
    lines = extracted(Stop.objects.all(), ["pk"], "jsonl").file.splitlines()

    assert all(row[0] == stop(row[1:]) for row in rows)
    assert [stop(json.loads(line)["pk"]) for line in lines] == [row[0] for row in rows]


@pytest.mark.usefixtures("own_tables")
def test_ticked_rows_can_have_composite_keys():
    make_stops()
    keys = list(Stop.objects.values_list("pk", flat=True))[::3]

    rows = rows_of(Stop.objects.filter(pk__in=keys), *STOP, part_rows=4, page_rows=3)

    assert {stop(row) for row in rows} == set(keys)
    assert len(rows) == len(keys)


@pytest.mark.usefixtures("own_tables")
def test_expression_can_query_sibling_rows_of_a_composite_key():
    make_stops()
    others = Stop.objects.filter(line=OuterRef("line")).exclude(note=OuterRef("note"))

    rows = rows_of(Stop.objects.all(), "line", Column("has_others", Exists(others)))

    lines = [line for line, _ in rows]
    assert [has for _, has in rows] == [
        "true" if lines.count(line) > 1 else "false" for line in lines
    ]


@pytest.mark.usefixtures("own_tables")
def test_error_names_a_composite_key_by_its_fields():
    Place.objects.create(code="EWR", name="")
    Stop.objects.create(
        place_id="EWR",
        moment=datetime.datetime(2013, 1, 1, tzinfo=UTC),
        uuid=uuid.UUID(int=1),
        line="A",
        number=1,
    )

    with pytest.raises(UnreadableRow) as raised:
        rows_of(Stop.objects.all(), Column("bad", needs=["line"], python=int))

    assert (
        "for row EWR, 2013-01-01 00:00:00+00:00, "
        "00000000-0000-0000-0000-000000000001, A, 1.00: ValueError"
    ) in str(raised.value)


@EXAMPLES
@given(
    keys=st.sets(
        st.tuples(
            st.sampled_from(["", "a", "'", "é"]),
            st.sampled_from(
                [datetime.datetime(2013, 1, 1, 0, 0, 0, n, tzinfo=UTC) for n in range(3)]
            ),
            st.sampled_from([uuid.UUID(int=n << 100) for n in range(3)]),
            st.sampled_from(["", "\\", "Z", "a"]),
            st.decimals(-2, 2, places=2),
        ),
        max_size=15,
    ),
    part_rows=st.integers(1, 6),
    page_rows=st.integers(1, 6),
)
@pytest.mark.usefixtures("own_tables")
def test_composite_keys_come_once_in_order_however_they_are_cut(keys, part_rows, page_rows):
    Stop.objects.all().delete()
    Place.objects.all().delete()
    Place.objects.bulk_create(Place(code=code) for code in ("", "a", "'", "é"))
    Stop.objects.bulk_create(Stop(**dict(zip(STOP, key, strict=True))) for key in keys)
    ordered = list(Stop.objects.order_by(*STOP).values_list(*STOP))

    for by in READERS:
        file = extracted(
            Stop.objects.all(), STOP, "jsonl", by=by, part_rows=part_rows, page_rows=page_rows
        ).file

        assert [stop(json.loads(line).values()) for line in file.splitlines()] == ordered
    assert len(ordered) == len(keys)


@pytest.mark.usefixtures("own_tables")
def test_ranges_of_composite_keys_hold_their_planned_rows():
    make_stops()

    ranges = planned(Stop.objects.all(), 4)

    assert all(isinstance(each.upto, tuple) for each in ranges)
    for each in ranges:
        inside = Stop.objects.filter(pk__lte=each.upto)
        if each.after is not None:
            inside = inside.filter(pk__gt=each.after)
        assert inside.count() == each.rows
    assert sum(each.rows for each in ranges) == Stop.objects.count()
