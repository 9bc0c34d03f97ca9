"""A request for an export has a size: what is larger is refused in words, and costs little."""

from __future__ import annotations

import json
import re
import sys

import django_filters
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exports.exceptions import (
    InvalidFilter,
    RequestTooLarge,
)
from exports.models import Export, Preset
from exports.spec import presets, sizes
from exports.spec.spec import build_spec
from tests.support.exporting import force_status, make_flights, request
from tests.support.spec_requests import flights_by
from tests.support.starting import start_export

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("time_stands_still")]

LONG = "x" * sizes.MAX_PARAMS
TOO_LARGE = f"the limit is {sizes.MAX_PARAMS:,}"


def post(client, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post("/api/v1/exports", text, content_type="application/json")


# -- Refused, and said how ------------------------------------------------------------------


@pytest.mark.proves("parameters-are-limited")
@pytest.mark.parametrize(("char", "size"), [("x", 1), ('"', 2), ("é", 2), ("東", 3)])
def test_stored_size_of_the_largest_request_is_the_limit(superuser, char, size):
    def largest(more):
        room = sizes.MAX_PARAMS - sizes.size_of({"columns": ["id"], "filters": {"dest": ""}})
        text = "x" * (room % size) + char * (room // size) + more
        return {"columns": ["id"], "filters": {"dest": text}}

    export = start_export(user=superuser, exporter="flights", **largest(""))
    with pytest.raises(RequestTooLarge) as refused:
        start_export(user=superuser, exporter="flights", **largest("x"))

    stored = json.dumps(export.params, ensure_ascii=False, separators=(",", ":"))
    assert len(stored.encode()) == sizes.MAX_PARAMS
    assert refused.value.field == "filters"
    assert f"has {sizes.MAX_PARAMS + 1:,} bytes" in str(refused.value)
    assert TOO_LARGE in str(refused.value)


def test_broken_character_is_refused_as_invalid(superuser):
    with pytest.raises(InvalidFilter, match="invalid character"):
        start_export(user=superuser, exporter="flights", filters={"dest": "\ud800"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filters", {"dest": LONG}),
        ("filters", {f"name_{number}": 1 for number in range(4_000)}),
        ("columns", ["id"] * 10_000),
        ("headers", {"id": LONG}),
    ],
)
def test_large_request_to_the_api_is_a_problem(signed_in, field, value):
    answer = post(signed_in, {"exporter": "flights", field: value})

    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert TOO_LARGE in answer.json()["detail"]
    assert not Export.objects.exists()


def test_large_request_on_the_page_is_a_form_error(signed_in):
    for button in ({}, {"preview": ""}, {"save": "", "preset": "large"}):
        page = signed_in.post(
            "/exports/new/flights/", {"format": "csv", "filter-dest": LONG, **button}
        )

        assert page.status_code == 422
        assert TOO_LARGE in page.content.decode()
    look = signed_in.post("/exports/new/flights/preview", {"format": "csv", "filter-dest": LONG})
    assert not Preset.objects.exists()
    assert TOO_LARGE in look.content.decode()


def test_large_admin_selection_is_a_page_error(signed_in, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
    make_flights([1])
    list_url = "/admin/demo/flight/export/"
    ticked = {"_selected_action": ["0" * 300 + str(number) for number in range(150)]}

    by_key = signed_in.post(list_url, {"format": "csv", **ticked})
    by_query = signed_in.post(f"{list_url}?q={LONG}", {"format": "csv"})

    for answer in (by_key, by_query):
        assert answer.status_code == 422
        assert TOO_LARGE in answer.content.decode()
        assert "Select fewer rows" in answer.content.decode()
    assert not Export.objects.exists()


def test_large_request_in_a_terminal_is_refused_with_status_2(superuser):
    with pytest.raises(CommandError) as refused:
        call_command("export", "flights", "--user", "person", "--filter", f"dest={LONG}")

    assert refused.value.returncode == 2
    assert TOO_LARGE in str(refused.value)


def test_export_from_before_the_limit_cannot_be_repeated(superuser, signed_in):
    export = force_status(request(superuser), "failed", params={"filters": {"dest": LONG}})

    answer = signed_in.post(f"/api/v1/exports/{export.pk}/retry")
    page = signed_in.get(f"/exports/{export.pk}/")

    assert answer.status_code == 422
    assert TOO_LARGE in answer.json()["detail"]
    assert page.status_code == 200
    assert LONG not in page.content.decode()


@pytest.mark.parametrize("over", [0, 1])
def test_last_choice_stays_within_the_limit(superuser, over):
    """A list of the admin keeps the filters of the choice before it, if both are small enough."""
    headers = {"id": "Key", "dep_delay": "h" * 100}
    chosen = {"columns": ["id", "dep_delay"], "headers": headers}
    room = sizes.MAX_PARAMS - sizes.size_of({**chosen, "filters": {"dest": ""}})
    filters = {"dest": "x" * (room + over)}
    presets.remember(build_spec(superuser, exporter="flights", filters=filters))
    ticked = {"model": "demo.flight", "query": "", "keys": ["1"]}
    presets.remember(build_spec(superuser, exporter="flights", changelist=ticked, **chosen))

    last = presets.last(superuser, "flights")

    assert last.params == chosen | ({} if over else {"filters": filters})


# -- Little is read, and little is said -----------------------------------------------------


@pytest.mark.proves("parameters-are-limited")
@pytest.mark.parametrize(
    "body",
    [
        {"exporter": "x" * 200_000},
        {"exporter": "flights", "format": "x" * 200_000},
        {"exporter": "flights", "columns": ["x" * 30_000]},
        {"exporter": "flights", "headers": {"x" * 30_000: "x"}},
        {"exporter": "flights", "filters": {"x" * 30_000: "x"}},
        {"exporter": "flights", "filters": {"carrier": "x" * 30_000}},
        {"exporter": "flights", "options": {"x" * 200_000: "x"}},
        {"exporter": "flights", "label": "x" * 200_000},
        {"exporter": "flights", "x" * 200_000: "x"},
        {"exporter": "flights", **{f"extra_{number}": 1 for number in range(10_000)}},
    ],
)
def test_response_does_not_repeat_long_input(signed_in, body):
    answer = post(signed_in, body)

    assert answer.status_code == 422
    assert len(answer.content) < 8_000


@pytest.mark.parametrize("depth", [100, 400, 900, 40_000])
def test_nested_body_is_a_problem(signed_in, depth):
    nested = "[" * depth + "1" + "]" * depth
    answer = post(signed_in, f'{{"exporter": "flights", "filters": {{"dest": {nested}}}}}')

    assert answer.status_code == 422


def test_deeply_nested_body_is_a_problem_response(signed_in, settings):
    """What can be parsed may be too deep to be written again, a few calls further down."""
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 0
    deepest = sys.getrecursionlimit()
    answers = {}
    for depth in range(deepest - 150, deepest):
        nested = "[" * depth + "1" + "]" * depth
        answer = post(signed_in, f'{{"exporter": "flights", "filters": {{"dest": {nested}}}}}')
        answers[depth] = (answer.status_code, answer.json()["detail"])

    assert {status for status, _ in answers.values()} == {422}
    assert any("nested too deeply" in detail for _, detail in answers.values())


def test_body_beyond_the_limit_is_not_read(signed_in, settings):
    body = {"exporter": "flights", "label": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE}

    answer = post(signed_in, body)
    page = signed_in.post("/exports/", body)

    assert answer.status_code == page.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert "262,144 bytes" in answer.json()["detail"]
    assert "262,144 bytes" in page.content.decode()


@pytest.mark.parametrize(
    "value", [["UA"] * 1_001, "UA," * 1_001], ids=["in a list", "between commas"]
)
def test_filter_with_too_many_values_is_refused(superuser, value):
    with pytest.raises(InvalidFilter, match=r"1,00[12] values; the limit is 1,000"):
        build_spec(superuser, exporter="flights", filters={"carrier": value})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("time_hour_after", "0001-01-01T00:00+14:00", "the date is out of range"),
        ("time_hour_before", "9999-12-31T23:59-14:00", "the date is out of range"),
        ("dep_delay_min", "1e300000", "the number is too large"),
        ("dep_delay_max", "1e300000", "the number is too large"),
        ("dep_delay_min", "NaN", "Enter a number"),
        ("dep_delay_min", "Infinity", "Enter a number"),
    ],
)
def test_incomparable_value_is_a_problem(signed_in, name, value, problem):
    answer = post(signed_in, {"exporter": "flights", "filters": {name: value}})

    assert answer.status_code == 422
    assert problem in answer.json()["detail"]


class AnyOf(django_filters.BaseInFilter, django_filters.NumberFilter):
    """Numbers between commas."""


class AnyMoment(django_filters.BaseInFilter, django_filters.IsoDateTimeFilter):
    """The same of moments."""


class ByValues(django_filters.FilterSet):
    delays = AnyOf("dep_delay", lookup_expr="in")
    moments = AnyMoment("time_hour", lookup_expr="in")
    planes = django_filters.AllValuesMultipleFilter("tailnum")


@pytest.mark.parametrize(
    ("name", "values"), [("delays", lambda n: ",".join("1" * n)), ("planes", lambda n: ["N1"] * n)]
)
def test_filter_takes_as_many_values_as_its_limit(superuser, name, values):
    make_flights([1])
    with flights_by(ByValues):
        assert build_spec(superuser, exporter="narrowed", filters={name: values(1_000)}).params
        with pytest.raises(InvalidFilter, match="it has 1,001 values; the limit is 1,000"):
            build_spec(superuser, exporter="narrowed", filters={name: values(1_001)})


def test_values_of_a_list_are_each_checked(superuser):
    with flights_by(ByValues):
        filters = {"moments": "2013-01-01T10:00Z,0001-01-01T00:00+14:00"}
        with pytest.raises(InvalidFilter, match="the date is out of range"):
            build_spec(superuser, exporter="narrowed", filters=filters)


# -- Lists do not load what was asked for -----------------------------------------------------


LISTS = ["/exports/", "/api/v1/exports", "/admin/exports/export/", "/exports/new/flights/?fresh"]


@pytest.mark.proves("parameters-are-limited")
@pytest.mark.parametrize("url", LISTS)
def test_list_does_not_load_parameters(superuser, signed_in, url):
    force_status(request(superuser), "succeeded")
    request(superuser)
    presets.save(build_spec(superuser, exporter="flights"), "all")
    signed_in.get(url)

    with CaptureQueriesContext(connection) as asked:
        assert signed_in.get(url).status_code == 200

    # As a column. Which presets are of an admin list is computed from it in the database.
    loading = re.compile(r'SELECT .*, "exports_(export|preset)"\."params",.* FROM')
    assert [each["sql"] for each in asked if loading.match(each["sql"])] == []
