"""The HTTP API of exports: starting one."""

from __future__ import annotations

import pytest

from exports.models import Export
from exports.status import Status
from tests.support.exports_api import EXPORTS, answer, assert_problem, of, post

pytestmark = pytest.mark.django_db(transaction=True)


def test_request_is_accepted_with_location_and_snapshot(api, exporter_user):
    response = post(api, body={"exporter": "flights"})

    export = Export.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{of(export)}"
    assert response.json() == answer(export)
    assert (export.owner, export.status, export.params) == (exporter_user, Status.QUEUED, {})
    assert api.get(response["Location"]).json() == answer(export)


def test_all_fields_of_a_request_are_saved(api):
    body = {
        "exporter": "flights",
        "format": "jsonl",
        "columns": ["id", "delay"],
        "filters": {"month": 1, "carrier": None},
        "label": "In January",
        "options": {"gzip": True},
    }

    response = post(api, body=body)

    export = Export.objects.get()
    assert response.status_code == 202
    assert (export.format, export.label) == ("jsonl", "In January")
    # What is null narrows nothing, and is not kept.
    assert export.params == {"columns": body["columns"], "filters": {"month": 1}}
    assert export.options == response.json()["options"] == {"gzip": True}


@pytest.mark.parametrize("format_", ["xlsx", "parquet"])
def test_every_format_can_be_requested(api, format_):
    assert post(api, body={"exporter": "flights", "format": format_}).json()["format"] == format_


def test_identical_request_returns_the_active_export(api):
    first = post(api, body={"exporter": "flights"})

    second = post(api, body={"exporter": "flights", "filters": None})

    assert (first.status_code, second.status_code) == (202, 200)
    assert second["Location"] == first["Location"]
    assert second.json() == first.json()
    assert Export.objects.count() == 1


def test_refusal_names_the_exceeded_limit(api, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    post(api, body={"exporter": "flights"})

    response = post(api, body={"exporter": "flights", "label": "Another"})

    detail = "You have reached your limit of active exports (1 of 1). Wait for one to finish"
    assert_problem(response, 429, detail, limit="active_exports", allowed=1)
    assert "Retry-After" not in response
    assert Export.objects.count() == 1


def test_throttled_request_gets_the_retry_time(api, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    post(api, body={"exporter": "flights"})

    response = post(api, body={"exporter": "flights", "label": "Another"})

    assert 50 <= int(response["Retry-After"]) <= 60
    detail = f"You can start 1 exports a minute. Try again in {response['Retry-After']} s."
    assert_problem(response, 429, detail, limit="requests_per_minute", allowed=1)


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ({"exporter": "fligths"}, "exporter", 'There is no exporter "fligths"'),
        ({"exporter": "flights", "format": "pdf"}, "format", 'There is no format "pdf"'),
        ({"exporter": "flights", "columns": ["price"]}, "columns", 'no column "price"'),
        ({"exporter": "flights", "columns": []}, "columns", "at least one"),
        ({"exporter": "flights", "options": {"x": 1}}, "options", 'no option "x". Available: del'),
        ({"exporter": "flights", "options": {"gzip": 1}}, "options", "true or false"),
        ({"exporter": "flights", "options": ["gzip"]}, "options", "Must be an object"),
        ({"exporter": "flights", "filters": {"price": 1}}, "filters", 'no filter "price"'),
        ({"exporter": "flights", "filters": {"month": 13}}, "filters", '"month" is not valid'),
        (
            {"exporter": "flights", "filters": {"month": [1, 2]}},
            "filters",
            "accepts only one value",
        ),
        ({"exporter": "flights", "filters": {"tailnum": "\0"}}, "filters", '"tailnum"'),
        ({"exporter": "flights", "filters": {"carrier": "\0"}}, "filters", '"carrier"'),
        ({"exporter": "flights", "filters": {"tailnum": "\ud800"}}, "filters", '"tailnum"'),
        ({"exporter": "flights", "filters": {"tailnum": float("nan")}}, "filters", '"tailnum"'),
        ({"exporter": "flights", "filters": {"tailnum": float("inf")}}, "filters", '"tailnum"'),
        ({}, "exporter", "This field is required"),
        ({"exporter": None}, "exporter", "string"),
        ({"exporter": 7}, "exporter", "string"),
        ({"exporter": "flights", "format": ["csv"]}, "format", "string"),
        ({"exporter": "flights", "columns": "id"}, "columns", "list"),
        ({"exporter": "flights", "columns": ["id", 7]}, "columns.1", "string"),
        ({"exporter": "flights", "filters": ["month"]}, "filters", "Must be an object"),
        ({"exporter": "flights", "label": "x" * 201}, "label", "200 characters"),
        ({"exporter": "flights", "label": "a\0b"}, "label", "pattern"),
        ({"exporter": "flights", "label": "a\ud800b"}, "label", "string"),
        ({"exporter": "flights", "colums": ["id"]}, "colums", "not known"),
        ({"exporter": "flights", "changelist": {}}, "changelist", "not known"),
        ({"exporter": "flights", "team": 10**30}, "team", "You are not in the team 1000"),
        ({"exporter": "flights", "team": True}, "team", "integer"),
        ({"exporter": "flights", "team": "1"}, "team", "integer"),
        ({"exporter": "flights", "team": ""}, "team", "integer"),
        ([], "body", ""),
        ("flights", "body", ""),
        (None, "body", ""),
    ],
)
def test_invalid_field_is_named(api, body, field, detail):
    assert_problem(post(api, body=body), 422, detail, field=field)

    assert not Export.objects.exists()


@pytest.mark.parametrize("body", ["{", '{"exporter": flights}', "\xff"])
def test_body_that_is_not_json_is_refused(api, body):
    response = api.post(EXPORTS, body, content_type="application/json")

    assert_problem(response, 422, "Cannot parse request body")


def test_body_that_is_not_utf_8_is_refused(api):
    response = api.post(EXPORTS, b'{"exporter": "\xff"}', content_type="application/json")

    assert_problem(response, 422, "Cannot parse request body")


@pytest.mark.proves("export-needs-permission")
def test_hidden_exporter_looks_like_an_unknown_one(api):
    response = post(api, body={"exporter": "planes"})

    said = 'There is no exporter "planes". Available: flights.'
    assert_problem(response, 422, said, field="exporter")
    assert not Export.objects.exists()
