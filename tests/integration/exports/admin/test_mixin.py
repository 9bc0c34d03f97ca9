"""Exports from a list of the admin: its rows as they are filtered, for who may."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import partial
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from demo.admin import FlightAdmin
from demo.exporters import Flights
from demo.models import Airline, Airport, Flight, Plane
from exports import lifecycle
from exports.admin import ExportMixin
from exports.exceptions import InvalidSelection
from exports.exporters import Column, Exporter, checks
from exports.models import Export
from exports.spec import preview, query
from exports.status import Status
from exports.worker import runner
from exports.worker.progress import Ticker
from tests.support import exporting as running

pytestmark = pytest.mark.django_db

LIST = "/admin/demo/flight/"
PAGE = "/admin/demo/flight/export/"

# Queries as the list's own links make them, and what they are called.
QUERIES = {
    "": "Flights: all of them",
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


@pytest.fixture(autouse=True)
def flights():
    """Twenty-four, over two carriers, two origins, two months and four distances."""
    airlines = [
        Airline.objects.create(carrier="UA", name="United Air Lines Inc."),
        Airline.objects.create(carrier="B6", name="JetBlue Airways"),
    ]
    airports = [
        Airport.objects.create(faa=code, name=name, lat=40.6, lon=-74.1, alt=18, tz=-5, dst="A")
        for code, name in [("EWR", "Newark"), ("JFK", "Kennedy"), ("IAH", "Houston")]
    ]
    Flight.objects.bulk_create(
        Flight(
            id=number,
            date=datetime(2013, 1 + number // 4 % 2, 1 + number % 3, tzinfo=UTC).date(),
            time_hour=datetime(2013, 1, 1, 10, tzinfo=UTC),
            carrier=airlines[number % 2],
            flight=1_000 + number,
            tailnum="N14228" if number % 5 == 0 else None,
            origin=airports[number // 2 % 2],
            dest_code="BQN" if number % 7 == 0 else "IAH",
            dest=None if number % 7 == 0 else airports[2],
            sched_dep_time=515,
            sched_arr_time=819,
            distance=1_000 + 100 * (number % 4),
        )
        for number in range(1, 25)
    )


def staff_with(*codenames):
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return user


def signed_in(user, **options):
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def exporting():
    """Signed in as somebody who may view and export flights, and nothing else."""
    return signed_in(staff_with("view_flight", "export_flight"))


@pytest.fixture
def looking():
    """Signed in as somebody who may view flights, and not export them."""
    return signed_in(staff_with("view_flight"))


def text(response):
    return unescape(response.content.decode())


def hrefs(response):
    return [unescape(found) for found in re.findall(r'href="([^"]*)"', response.content.decode())]


def ticked(*keys, **more):
    """What a browser sends for the action on ticked rows."""
    return {"_selected_action": keys, "action": "export_selected", "index": "0", **more}


def keys_of(export):
    return sorted(query.of(export)[0].values_list("pk", flat=True))


# -- The button and the action ---------------------------------------------------------------


def test_the_button_carries_filters_and_order_and_leaves_the_rest(exporting):
    listed = exporting.get(LIST, {"carrier__carrier__exact": "UA", "q": "N14", "o": "-1", "p": "1"})

    assert f"{PAGE}?carrier__carrier__exact=UA&q=N14&o=-1" in hrefs(listed)


def test_who_may_not_export_sees_neither_button_nor_action(exporting, looking):
    offered, hidden = exporting.get(LIST), looking.get(LIST)

    assert "Export…" in text(offered)
    assert "Export selected flights" in text(offered)
    assert hidden.status_code == 200
    assert "Export" not in text(hidden)


def test_a_popup_has_no_button(exporting):
    listed = exporting.get(LIST, {"_popup": "1"})

    assert listed.status_code == 200
    assert "Export" not in text(listed)


def test_a_list_keeps_its_own_template(exporting, settings, tmp_path):
    own = tmp_path / "admin" / "demo" / "flight" / "change_list.html"
    own.parent.mkdir(parents=True)
    own.write_text(
        '{% extends "admin/change_list.html" %}'
        "{% block content %}Our own words{{ block.super }}{% endblock %}"
    )
    templates = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**templates, "DIRS": [tmp_path, *templates["DIRS"]]}]

    listed = exporting.get(LIST)

    assert "Our own words" in text(listed)
    assert PAGE in hrefs(listed)


# -- The page that asks for the format ---------------------------------------------------------


@pytest.mark.parametrize(("filters", "sentence"), QUERIES.items())
def test_the_page_says_in_words_what_will_be_exported(exporting, filters, sentence):
    page = exporting.get(f"{PAGE}?{filters}")

    assert f'<div class="readonly" data-looked="sum">{sentence}</div>' in text(page)


@pytest.mark.parametrize(
    "filters", [*QUERIES, "q=IAH&o=-1.2&p=1&all=", "_facets=True&q=IAH", "e=1"]
)
def test_an_export_has_exactly_the_rows_of_the_list(exporting, filters):
    listed = exporting.get(f"{LIST}?{filters}").context["cl"].queryset

    started = exporting.post(f"{PAGE}?{filters}", {"format": "jsonl"})

    export = Export.objects.get()
    assert started.url == reverse("exports:detail", args=[export.pk])
    assert export.format == "jsonl"
    assert keys_of(export) == sorted(listed.values_list("pk", flat=True))


def test_the_list_and_its_filters_tell_rows_apart(exporting):
    """The flights are such that no query of these tests means all or nothing by accident."""
    counts = {each: exporting.get(f"{LIST}?{each}").context["cl"].result_count for each in QUERIES}

    assert counts.pop("") == counts.pop("date__year=2013") == 24
    assert counts.pop("q=x%20%26%20%E2%80%9Cy") == 0
    assert all(0 < count < 24 for count in counts.values())


def test_the_query_is_asked_again_when_the_export_runs(exporting):
    exporting.post(f"{PAGE}?carrier__carrier__exact=B6", {"format": "csv"})
    export = Export.objects.get()
    Flight.objects.filter(pk=1).update(carrier="UA")

    assert export.params == {
        "changelist": {"model": "demo.flight", "query": "carrier__carrier__exact=B6"}
    }
    assert 1 not in keys_of(export)


def test_a_list_with_a_class_of_its_own_means_the_rows_that_it_shows(exporting, monkeypatch):
    class Short(ChangeList):
        def get_queryset(self, request, exclude_parameters=None):
            return super().get_queryset(request, exclude_parameters).filter(distance=1_000)

    monkeypatch.setattr(FlightAdmin, "get_changelist", lambda *_, **__: Short)
    exporting.post(PAGE, {"format": "csv"})

    assert keys_of(Export.objects.get()) == [4, 8, 12, 16, 20, 24]


def test_the_page_asks_for_the_choices_of_the_lists_filters_once(exporting):
    with CaptureQueriesContext(connection) as queries:
        exporting.get(f"{PAGE}?origin__faa__exact=EWR")

    airlines = [each["sql"] for each in queries if 'FROM "demo_airline"' in each["sql"]]
    assert len(airlines) == 1


def test_nothing_is_counted_before_the_click_is_answered(exporting):
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
def test_a_list_that_was_sorted_is_exported_in_that_order(exporting, settings, tmp_path, columns):
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
    export = running.go_on(Export.objects.get())
    in_file = keys_in(running.content(export).splitlines())
    assert in_file == wanted
    assert export.parts.count() == 1
    assert keys_in(re.findall(r"{.*}", text(look))) == in_file[: preview.ROWS]


@pytest.mark.django_db(transaction=True)
def test_the_progress_of_sorted_rows_is_written_while_others_write(
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
            export = running.go_on(Export.objects.get())
    finally:
        somebody.close()

    assert (export.status, export.rows_done) == (Status.SUCCEEDED, 24)


def test_ticked_rows_keep_the_order_of_the_list(exporting):
    exporting.post(f"{PAGE}?{BY_DISTANCE}", {"format": "csv", "_selected_action": ["4", "3", "7"]})

    rows, _ = query.of(Export.objects.get())

    assert [flight.pk for flight in rows] == [3, 7, 4]


# Nothing, what is no column, and the box to tick. The list itself has an order in any case.
@pytest.mark.parametrize("order", ["", "o=", "o=99", "o=x", "o=0"])
def test_a_list_that_nobody_has_sorted_is_exported_by_its_keys(exporting, order):
    page = exporting.get(f"{PAGE}?{order}")
    exporting.post(f"{PAGE}?{order}", {"format": "csv"})

    assert "in the order of their keys" in text(page)
    assert "order" not in Export.objects.get().params["changelist"]


@pytest.mark.parametrize("order", ["date", [1], ["nothing"], ["carrier__flights"]])
def test_an_order_that_cannot_be_is_refused(exporting, order):
    user = User.objects.get()

    with pytest.raises(InvalidSelection, match="order"):
        lifecycle.request(
            user=user,
            exporter="flights",
            changelist={"model": "demo.flight", "query": "", "order": order},
        )


def test_ticked_rows_go_as_keys_in_the_body(exporting):
    page = exporting.post(f"{LIST}?q=IAH", ticked("3", "4", "5"))
    hidden = re.findall(r'name="_selected_action" value="(\d+)"', text(page))

    exporting.post(f"{PAGE}?q=IAH", {"format": "csv", "_selected_action": hidden})

    assert "3 selected flights" in text(page)
    assert hidden == ["3", "4", "5"]
    assert not [url for url in hrefs(page) if "selected" in url or "=3" in url]
    assert keys_of(Export.objects.get()) == [3, 4, 5]


def test_a_ticked_row_is_meant_even_if_the_filter_would_not_show_it_any_more(exporting):
    exporting.post(f"{PAGE}?q=N14228", {"format": "csv", "_selected_action": ["5", "10"]})
    Flight.objects.filter(pk=5).update(tailnum=None)

    assert keys_of(Export.objects.get()) == [5, 10]


def test_all_rows_across_pages_go_as_the_query(exporting):
    page = exporting.post(
        f"{LIST}?carrier__carrier__exact=UA&p=1", ticked("2", "4", select_across="1")
    )

    assert page.url == f"{PAGE}?carrier__carrier__exact=UA"
    exporting.post(page.url, {"format": "csv"})
    export = Export.objects.get()
    assert "keys" not in export.params["changelist"]
    assert len(keys_of(export)) == 12


@pytest.mark.parametrize("filters", ["nonsense=1", "carrier__nonsense=1", "date__year=x", "id=x"])
def test_a_filter_that_cannot_be_read_is_refused(exporting, filters):
    asked = exporting.get(f"{PAGE}?{filters}")
    started = exporting.post(f"{PAGE}?{filters}", {"format": "csv"})

    for response in (asked, started):
        assert response.status_code == 422
        assert "The list's filters cannot be read" in text(response)
        assert 'name="format"' not in text(response)
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"format": "docx"}, 'There is no format "docx"'),
        ({}, 'There is no format ""'),
        ({"format": "csv", "_selected_action": ["x"]}, "must be a list of primary keys"),
        ({"format": "csv", "_selected_action": ["9" * 30]}, "must be a list of primary keys"),
        ({"format": "csv", "_selected_action": range(201)}, "At most 200 rows can be ticked"),
    ],
)
def test_what_cannot_be_is_refused_on_the_page(exporting, data, message):
    response = exporting.post(PAGE, data)

    assert response.status_code == 422
    assert message in text(response)
    assert not Export.objects.exists()


def test_options_are_asked_for_beside_the_format(exporting):
    chosen = {"format": "csv", "delimiter": ";", "bom": "on"}

    assert exporting.post(PAGE, chosen).status_code == 302
    assert Export.objects.get().options == {"delimiter": ";", "bom": True}


def test_an_option_that_the_format_has_not_is_refused_and_stays_chosen(exporting):
    response = exporting.post(PAGE, {"format": "xlsx", "delimiter": ";"})

    assert response.status_code == 422
    assert 'Excel has no option "delimiter". It has: header' in text(response)
    assert '<option value=";" selected>' in text(response)
    assert not Export.objects.exists()


def test_who_asks_the_same_again_is_led_to_the_export_that_is_there(exporting):
    first = exporting.post(PAGE, {"format": "csv"})

    second = exporting.post(PAGE, {"format": "csv"})

    assert second.url == first.url
    assert "This export is already under way." in text(exporting.get(second.url))
    assert Export.objects.count() == 1


def test_who_asks_too_often_is_told_when_to_ask_again(exporting, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    exporting.post(PAGE, {"format": "csv"})

    response = exporting.post(PAGE, {"format": "jsonl"})

    assert response.status_code == 429
    assert f"Ask again in {response['Retry-After']} s." in text(response)
    assert Export.objects.count() == 1


def test_a_list_can_be_shared_with_a_team_of_ones_own():
    staff = staff_with("view_flight", "export_flight")
    team = Group.objects.create(name="Analysts")
    staff.groups.add(team)
    client = signed_in(staff)

    page = client.get(PAGE)
    client.post(PAGE, {"format": "csv", "team": team.pk})
    client.post(PAGE, {"format": "csv", "team": ""})

    assert f'<option value="{team.pk}">Analysts</option>' in text(page)
    assert "with the rows that you may see" in text(page)
    assert {export.team for export in Export.objects.all()} == {team, None}


def test_a_team_of_others_is_refused_and_what_was_chosen_stays_chosen():
    staff = staff_with("view_flight", "export_flight")
    mine, theirs = (Group.objects.create(name=name) for name in ("Analysts", "Others"))
    staff.groups.add(mine)
    client = signed_in(staff)

    refused = client.post(PAGE, {"format": "csv", "team": theirs.pk})
    other = client.post(PAGE, {"format": "docx", "team": mine.pk})

    assert refused.status_code == other.status_code == 422
    assert f"You are in no team {theirs.pk}." in text(refused)
    assert "Others" not in text(refused)
    assert f'<option value="{mine.pk}" selected>' in text(other)
    assert not Export.objects.exists()


def test_who_is_in_no_team_is_not_asked_whom_to_share_with(exporting):
    assert 'name="team"' not in text(exporting.get(PAGE))


def test_more_ticks_than_a_page_has_rows_are_refused(exporting):
    response = exporting.post(LIST, ticked(*range(1, 202)), follow=True)

    assert "At most 200 rows can be ticked" in text(response)


def test_who_may_not_export_is_refused(looking):
    assert looking.get(PAGE).status_code == 403
    assert looking.post(PAGE, {"format": "csv"}).status_code == 403
    assert not Export.objects.exists()


def test_who_may_export_and_not_see_the_list_is_refused():
    client = signed_in(staff_with("export_flight"))

    assert client.post(PAGE, {"format": "csv"}).status_code == 403
    assert not Export.objects.exists()


def test_what_it_would_give_is_asked_for_with_a_form(exporting):
    assert exporting.get("/admin/demo/flight/export/preview/").status_code == 405


def test_who_is_not_signed_in_is_asked_to(client):
    assert client.post(PAGE, {"format": "csv"}).url.startswith("/admin/login/")


def test_a_form_from_elsewhere_is_refused():
    client = signed_in(staff_with("view_flight", "export_flight"), enforce_csrf_checks=True)

    assert client.post(PAGE, {"format": "csv"}).status_code == 403
    assert not Export.objects.exists()


# -- A mixin that cannot work ----------------------------------------------------------------


def problems(model, **attributes):
    cls = type("BrokenAdmin", (ExportMixin, admin.ModelAdmin), attributes)
    return {each.id: each for each in cls(model, admin.site).check()}


def test_a_mixin_without_an_exporter_is_refused_at_start_up():
    assert 'Add `exporter = "name"`' in problems(Flight)["exports.E002"].hint


def test_a_mixin_with_an_exporter_that_is_not_there_is_refused_at_start_up():
    problem = problems(Flight, exporter="flihgts")["exports.E003"]

    assert problem.msg.startswith(
        'There is no exporter "flihgts". There are: airports, audit, flights'
    )


def test_a_mixin_with_the_exporter_of_another_model_is_refused_at_start_up():
    problem = problems(Flight, exporter="planes")["exports.E004"]

    assert problem.msg == 'The exporter "planes" exports demo.Plane, this list shows demo.Flight.'


def test_a_list_of_which_more_can_be_ticked_than_a_form_may_have_fields_is_warned_of(settings):
    """The page that asks how has a field for each row that is ticked."""
    own = 2 * len(Flights.columns) + checks.OTHER_FIELDS
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = own + 500

    assert "exports.W002" not in problems(Flight, exporter="flights", list_max_show_all=500)
    for shown in ("list_max_show_all", "list_per_page"):
        problem = problems(Flight, exporter="flights", **{shown: 501})["exports.W002"]
        assert problem.hint.startswith(f"Set DATA_UPLOAD_MAX_NUMBER_FIELDS = {own + 501} ")


def test_a_mixin_that_workers_would_not_read_through_is_refused_at_start_up():
    problem = problems(Flight, exporter="flights")["exports.E005"]

    assert "which has FlightAdmin for this model" in problem.msg


def test_the_lists_of_the_demo_are_in_order():
    assert admin.site.get_model_admin(Flight).check() == []
    assert admin.site.get_model_admin(Plane).check() == []
