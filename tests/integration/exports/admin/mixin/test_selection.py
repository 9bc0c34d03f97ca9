"""The page that asks for the format: its rows are those of the list, in the order of the list."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from demo.admin import FlightAdmin
from demo.models import Flight
from exports.exceptions import InvalidSelection
from exports.exporters import Column, Exporter
from exports.models import Export
from exports.spec import preview, queryset
from exports.status import Status
from exports.worker import runner
from exports.worker.progress import Ticker
from tests.support import exporting as running
from tests.support.list_export import LIST, PAGE, hrefs, keys_of, ticked
from tests.support.pages import text
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db


# Queries as the list's own links make them, and what they are called.
QUERIES = {
    "": "Flights: all rows",
    "carrier__carrier__exact=UA": "Flights: carrier is United Air Lines Inc.",
    "carrier__carrier__exact=UA&origin__faa__exact=EWR&q=IAH": (
        "Flights: carrier is United Air Lines Inc.; origin is EWR Newark; search “IAH”"
    ),
    "date__year=2013": "Flights: date is 2013",
    "date__year=2013&date__month=2": "Flights: date is February 2013",
    "date__year=2013&date__month=2&date__day=1": "Flights: date is Feb. 1, 2013",
    "distance__gt=1100": "Flights: distance__gt is 1100",
    "q=N14228": "Flights: search “N14228”",
    "q=x%20%26%20%E2%80%9Cy": "Flights: search “x & “y”",
}


@pytest.mark.parametrize(("filters", "sentence"), QUERIES.items())
def test_page_describes_the_selected_rows(exporting, filters, sentence):
    page = exporting.get(f"{PAGE}?{filters}")

    assert f'<div class="readonly" data-preview-part="summary">{sentence}</div>' in text(page)


@pytest.mark.proves("admin-export-matches-list")
@pytest.mark.parametrize(
    "filters", [*QUERIES, "q=IAH&o=-1.2&p=1&all=", "_facets=True&q=IAH", "e=1"]
)
def test_export_has_exactly_the_rows_of_the_list(exporting, filters):
    listed = exporting.get(f"{LIST}?{filters}").context["cl"].queryset

    started = exporting.post(f"{PAGE}?{filters}", {"format": "jsonl"})

    export = Export.objects.get()
    assert started.url == reverse("exports:detail", args=[export.pk])
    assert export.format == "jsonl"
    assert keys_of(export) == sorted(listed.values_list("pk", flat=True))


def test_queries_each_select_a_proper_subset_of_the_flights(exporting):
    """The flights are such that no query of these tests means all or nothing by accident."""
    counts = {each: exporting.get(f"{LIST}?{each}").context["cl"].result_count for each in QUERIES}

    assert counts.pop("") == counts.pop("date__year=2013") == 24
    assert counts.pop("q=x%20%26%20%E2%80%9Cy") == 0
    assert all(0 < count < 24 for count in counts.values())


@pytest.mark.proves("admin-export-matches-list")
def test_query_runs_again_when_the_export_runs(exporting):
    exporting.post(f"{PAGE}?carrier__carrier__exact=B6", {"format": "csv"})
    export = Export.objects.get()
    Flight.objects.filter(pk=1).update(carrier="UA")

    assert export.params == {
        "changelist": {"model": "demo.flight", "query": "carrier__carrier__exact=B6"}
    }
    assert 1 not in keys_of(export)


def test_list_with_its_own_changelist_class_exports_its_rows(exporting, monkeypatch):
    class Short(ChangeList):
        def get_queryset(self, request, exclude_parameters=None):
            return super().get_queryset(request, exclude_parameters).filter(distance=1_000)

    monkeypatch.setattr(FlightAdmin, "get_changelist", lambda *_, **__: Short)
    exporting.post(PAGE, {"format": "csv"})

    assert keys_of(Export.objects.get()) == [4, 8, 12, 16, 20, 24]


def test_page_queries_the_choices_of_list_filters_once(exporting):
    with CaptureQueriesContext(connection) as queries:
        exporting.get(f"{PAGE}?origin__faa__exact=EWR")

    airlines = [each["sql"] for each in queries if 'FROM "demo_airline"' in each["sql"]]
    assert len(airlines) == 1


@pytest.mark.proves("click-counts-no-rows")
def test_click_counts_no_rows(exporting):
    with CaptureQueriesContext(connection) as captured:
        exporting.get(f"{PAGE}?carrier__carrier__exact=UA&_facets=True")
        exporting.post(f"{PAGE}?carrier__carrier__exact=UA", {"format": "csv"})

    assert Export.objects.count() == 1
    of_flights = [
        each["sql"] for each in captured if "COUNT" in each["sql"] and "demo_" in each["sql"]
    ]
    assert of_flights == []


# By number: the box to tick is 0. Distances repeat, and the list's own order decides then.
BY_DISTANCE = "o=-9"


def keys_in(lines):
    return [json.loads(line)["id"] for line in lines]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("columns", [["id"], ["id", "speed"]], ids=["copy", "rows"])
def test_list_that_was_sorted_is_exported_in_that_order(exporting, settings, tmp_path, columns):
    running.use_folders(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = settings.EXPORTS_PAGE_ROWS = 5
    listed = exporting.get(f"{LIST}?q=IAH&{BY_DISTANCE}").context["cl"].result_list
    wanted = [flight.pk for flight in listed]
    assert wanted != sorted(wanted)

    page = exporting.get(f"{PAGE}?q=IAH&{BY_DISTANCE}")
    data = {"format": "jsonl", "column": columns}
    look = exporting.post(f"{PAGE}preview/?q=IAH&{BY_DISTANCE}", data)
    exporting.post(f"{PAGE}?q=IAH&{BY_DISTANCE}", data)

    assert "Flights: search “IAH”; sorted by distance, descending" in text(page)
    assert "in the order of the list" in text(page)
    export = running.resume_with(Export.objects.get())
    in_file = keys_in(running.content(export).splitlines())
    assert in_file == wanted
    assert export.parts.count() == 1
    assert keys_in(re.findall(r"{.*}", text(look))) == in_file[: preview.ROWS]


@pytest.mark.django_db(transaction=True)
def test_progress_of_sorted_rows_is_saved_during_other_writes(
    exporting, settings, tmp_path, monkeypatch
):
    """On SQLite, who reads an old state of the file may not write. Here each row makes it old."""
    running.use_folders(settings, tmp_path)
    settings.EXPORTS_PAGE_ROWS = 5
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))
    somebody = connection.copy()

    def write(number):
        with somebody.cursor() as cursor:
            cursor.execute("UPDATE demo_airline SET name = name || '.'")
        return number

    class Numbers(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [Column("id", needs=["id"], python=write)]

    monkeypatch.setattr(FlightAdmin, "exporter", "numbers")
    try:
        with running.registered(Numbers):
            exporting.post(f"{PAGE}?{BY_DISTANCE}", {"format": "jsonl"})
            export = running.resume_with(Export.objects.get())
    finally:
        somebody.close()

    assert (export.status, export.rows_done) == (Status.SUCCEEDED, 24)


def test_ticked_rows_keep_the_order_of_the_list(exporting):
    exporting.post(f"{PAGE}?{BY_DISTANCE}", {"format": "csv", "_selected_action": ["4", "3", "7"]})

    rows, _ = queryset.rows_and_columns(Export.objects.get())

    assert [flight.pk for flight in rows] == [3, 7, 4]


# Nothing, what is no column, and the box to tick. The list itself has an order in any case.
@pytest.mark.parametrize("order", ["", "o=", "o=99", "o=x", "o=0"])
def test_unsorted_list_is_exported_in_primary_key_order(exporting, order):
    page = exporting.get(f"{PAGE}?{order}")
    exporting.post(f"{PAGE}?{order}", {"format": "csv"})

    assert "in primary key order" in text(page)
    assert "order" not in Export.objects.get().params["changelist"]


@pytest.mark.parametrize("order", ["date", [1], ["nothing"], ["carrier__flights"]])
def test_invalid_order_is_refused(exporting, order):
    user = User.objects.get()

    with pytest.raises(InvalidSelection, match=r"order|sorted by"):
        start_export(
            user=user,
            exporter="flights",
            changelist={"model": "demo.flight", "query": "", "order": order},
        )


def test_ticked_rows_are_sent_as_keys_in_the_body(exporting):
    page = exporting.post(f"{LIST}?q=IAH", ticked("3", "4", "5"))
    hidden = re.findall(r'name="_selected_action" value="(\d+)"', text(page))

    exporting.post(f"{PAGE}?q=IAH", {"format": "csv", "_selected_action": hidden})

    assert "3 selected flights" in text(page)
    assert hidden == ["3", "4", "5"]
    assert not [url for url in hrefs(page) if "selected" in url or "=3" in url]
    assert keys_of(Export.objects.get()) == [3, 4, 5]


def test_ticked_row_is_exported_even_if_the_filter_excludes_it(exporting):
    exporting.post(f"{PAGE}?q=N14228", {"format": "csv", "_selected_action": ["5", "10"]})
    Flight.objects.filter(pk=5).update(tailnum=None)

    assert keys_of(Export.objects.get()) == [5, 10]


def test_rows_across_pages_are_sent_as_the_query(exporting):
    page = exporting.post(
        f"{LIST}?carrier__carrier__exact=UA&p=1", ticked("2", "4", select_across="1")
    )

    assert page.url == f"{PAGE}?carrier__carrier__exact=UA"
    exporting.post(page.url, {"format": "csv"})
    export = Export.objects.get()
    assert "keys" not in export.params["changelist"]
    assert len(keys_of(export)) == 12
