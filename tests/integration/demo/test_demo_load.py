"""`load_demo`: every row, with its type, once, or none at all."""

from __future__ import annotations

import csv
import lzma
import shutil
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from demo.loader import load as loader
from demo.loader.source import DATA
from demo.models import Airline, Airport, Flight, Plane, Weather

pytestmark = pytest.mark.django_db

MODELS = [Airline, Airport, Plane, Weather, Flight]
SMALL = [16, 1_458, 3_322, 26_115, 2_000]


def counts():
    return [model.objects.count() for model in MODELS]


def load_demo(**options):
    out = StringIO()
    call_command("load_demo", stdout=out, **options)
    return out.getvalue()


def source(name):
    with lzma.open(DATA / f"{name}.csv.xz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def total(rows, column):
    return sum(int(row[column]) for row in rows if row[column] != "NA")


def test_loaded_flights_match_the_sums_of_the_file():
    load_demo()

    assert counts() == [16, 1_458, 3_322, 26_115, 336_776]
    flights = list(source("flights"))
    assert Flight.objects.aggregate(
        distance=Sum("distance"), air_time=Sum("air_time"), arr_delay=Sum("arr_delay")
    ) == {
        "distance": total(flights, "distance"),
        "air_time": total(flights, "air_time"),
        "arr_delay": total(flights, "arr_delay"),
    }
    assert Flight.objects.filter(plane=None).count() == 52_606
    assert Flight.objects.filter(tailnum=None).count() == 2_512
    assert Flight.objects.filter(dest=None).count() == 7_602


def test_second_load_changes_nothing_and_says_so():
    first = load_demo(flights=100)
    before = list(Flight.objects.order_by("id").values())

    second = load_demo(flights=100)

    assert list(Flight.objects.order_by("id").values()) == before
    assert "was loaded in" in first
    assert second == (
        "The demo data is already loaded: 16 airlines, 1,458 airports, 3,322 planes, "
        "26,115 weather, 100 flights.\n"
    )


def test_larger_load_continues_a_smaller_one():
    load_demo(flights=700)

    load_demo(flights=2_000)

    assert counts() == SMALL
    numbers = list(Flight.objects.order_by("id").values_list("id", "flight", "time_hour"))
    assert [number for number, _, _ in numbers] == list(range(1, 2_001))
    assert [flight for _, flight, _ in numbers] == [
        int(row["flight"]) for row, _ in zip(source("flights"), range(2_000), strict=False)
    ]


def test_interrupted_load_leaves_nothing_and_can_be_repeated():
    def interrupt(table, done, total):
        if table == "flights" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loader.load(interrupt, flights=2_000)
    after_the_interruption = counts()
    load_demo(flights=2_000)

    assert after_the_interruption == [0, 0, 0, 0, 0]
    assert counts() == SMALL


def test_damaged_file_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    for path in DATA.glob("*.xz"):
        shutil.copy(path, tmp_path)
    (tmp_path / "flights.csv.xz").write_bytes((DATA / "flights.csv.xz").read_bytes()[:-1])
    monkeypatch.setattr("demo.loader.source.DATA", tmp_path)

    with pytest.raises(CommandError, match=r"flights\.csv\.xz is damaged"):
        load_demo()

    assert counts() == [0, 0, 0, 0, 0]


def test_conflicting_rows_are_refused_and_kept():
    Airline.objects.create(carrier="AA", name="Another")

    with pytest.raises(CommandError, match="other rows"):
        load_demo(flights=10)

    assert list(Airline.objects.values_list("name", flat=True)) == ["Another"]


def test_negative_number_of_flights_is_refused():
    with pytest.raises(CommandError, match="must be 0 or more"):
        load_demo(flights=-1)
