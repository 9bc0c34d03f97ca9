"""The HTTP API of exports, as a browser with a session and a program with a token see it."""

from __future__ import annotations

import html.parser
import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.staticfiles import finders
from django.test import AsyncClient, Client
from django.utils import timezone

from exports import lifecycle
from exports.lifecycle import attempts
from exports.models import Export
from exports.serialize import snapshot
from exports.status import Status
from notifications.api import tokens
from tests.support import exporting
from tests.support.exporting import file_with, make_flights, put, request, run

pytestmark = pytest.mark.django_db(transaction=True)

EXPORTS = "/api/v1/exports"
UNKNOWN = "6458b5bf-0000-4000-8000-000000000001"


@pytest.fixture
def another():
    """May export everything; what is theirs is not for `somebody`."""
    return User.objects.create_superuser("another")


@pytest.fixture
def api(somebody):
    """A program with `somebody`'s token."""
    return program(somebody)


def program(user):
    return Client(headers={"Authorization": f"Bearer {tokens.create(user)}"})


def post(client, path=EXPORTS, body=None, **more):
    return client.post(path, json.dumps(body), content_type="application/json", **more)


def of(export, action=""):
    return f"{EXPORTS}/{export.pk}/{action}".rstrip("/")


def assert_problem(response, status, detail, **members):
    """It says what is wrong in the one form that all errors have."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert detail in body.pop("detail")
    assert body.pop("status") == status
    assert (body.pop("type"), bool(body.pop("title"))) == ("about:blank", True)
    body.pop("errors", None)
    assert body == members


# -- Starting -----------------------------------------------------------------------


def answer(export):
    """The snapshot, with links that a program can follow."""
    links = {"self": f"/api/v1/exports/{export.pk}", "download": None}
    if snapshot(export)["links"]["download"]:
        links["download"] = f"/api/v1/exports/{export.pk}/file"
    return {**snapshot(export), "links": links}


def test_a_request_is_accepted_with_the_place_to_ask_and_the_snapshot(api, somebody):
    response = post(api, body={"exporter": "flights"})

    export = Export.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{of(export)}"
    assert response.json() == answer(export)
    assert (export.owner, export.status, export.params) == (somebody, Status.QUEUED, {})
    assert api.get(response["Location"]).json() == answer(export)


def test_everything_that_can_be_asked_for_is_saved(api):
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
def test_every_format_can_be_asked_for(api, format_):
    assert post(api, body={"exporter": "flights", "format": format_}).json()["format"] == format_


def test_who_asks_the_same_again_gets_the_export_that_is_there(api):
    first = post(api, body={"exporter": "flights"})

    second = post(api, body={"exporter": "flights", "filters": None})

    assert (first.status_code, second.status_code) == (202, 200)
    assert second["Location"] == first["Location"]
    assert second.json() == first.json()
    assert Export.objects.count() == 1


def test_who_asks_for_too_much_is_told_which_limit_it_was(api, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    post(api, body={"exporter": "flights"})

    response = post(api, body={"exporter": "flights", "label": "Another"})

    detail = "You have 1 of at most 1 exports under way. Wait until one is over, or cancel one."
    assert_problem(response, 429, detail, limit="active_exports", allowed=1)
    assert "Retry-After" not in response
    assert Export.objects.count() == 1


def test_who_asks_too_often_is_told_when_to_ask_again(api, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    post(api, body={"exporter": "flights"})

    response = post(api, body={"exporter": "flights", "label": "Another"})

    assert 50 <= int(response["Retry-After"]) <= 60
    detail = f"1 of at most 1 exports in a minute. Ask again in {response['Retry-After']} s."
    assert_problem(response, 429, detail, limit="requests_per_minute", allowed=1)


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        ({"exporter": "fligths"}, "exporter", 'There is no exporter "fligths"'),
        ({"exporter": "flights", "format": "pdf"}, "format", 'There is no format "pdf"'),
        ({"exporter": "flights", "columns": ["price"]}, "columns", 'no column "price"'),
        ({"exporter": "flights", "columns": []}, "columns", "at least one"),
        ({"exporter": "flights", "options": {"x": 1}}, "options", 'no option "x". It has: del'),
        ({"exporter": "flights", "options": {"gzip": 1}}, "options", "true or false"),
        ({"exporter": "flights", "options": ["gzip"]}, "options", "dictionary"),
        ({"exporter": "flights", "filters": {"price": 1}}, "filters", 'no filter "price"'),
        ({"exporter": "flights", "filters": {"month": 13}}, "filters", '"month" is not valid'),
        ({"exporter": "flights", "filters": {"month": [1, 2]}}, "filters", "takes one value"),
        ({"exporter": "flights", "filters": {"tailnum": "\0"}}, "filters", '"tailnum"'),
        ({"exporter": "flights", "filters": {"carrier": "\0"}}, "filters", '"carrier"'),
        ({"exporter": "flights", "filters": {"tailnum": "\ud800"}}, "filters", '"tailnum"'),
        ({"exporter": "flights", "filters": {"tailnum": float("nan")}}, "filters", '"tailnum"'),
        ({"exporter": "flights", "filters": {"tailnum": float("inf")}}, "filters", '"tailnum"'),
        ({}, "exporter", "Field required"),
        ({"exporter": None}, "exporter", "string"),
        ({"exporter": 7}, "exporter", "string"),
        ({"exporter": "flights", "format": ["csv"]}, "format", "string"),
        ({"exporter": "flights", "columns": "id"}, "columns", "list"),
        ({"exporter": "flights", "columns": ["id", 7]}, "columns.1", "string"),
        ({"exporter": "flights", "filters": ["month"]}, "filters", "dictionary"),
        ({"exporter": "flights", "label": "x" * 201}, "label", "200 characters"),
        ({"exporter": "flights", "label": "a\0b"}, "label", "pattern"),
        ({"exporter": "flights", "label": "a\ud800b"}, "label", "string"),
        ({"exporter": "flights", "colums": ["id"]}, "colums", "not permitted"),
        ({"exporter": "flights", "changelist": {}}, "changelist", "not permitted"),
        ({"exporter": "flights", "team": 10**30}, "team", "You are in no team 1000"),
        ({"exporter": "flights", "team": True}, "team", "integer"),
        ({"exporter": "flights", "team": "1"}, "team", "integer"),
        ({"exporter": "flights", "team": ""}, "team", "integer"),
        ([], "body", ""),
        ("flights", "body", ""),
        (None, "body", ""),
    ],
)
def test_what_is_wrong_in_a_request_is_named(api, body, field, detail):
    assert_problem(post(api, body=body), 422, detail, field=field)

    assert not Export.objects.exists()


@pytest.mark.parametrize("body", ["{", '{"exporter": flights}', "\xff"])
def test_a_body_that_is_not_json_is_refused(api, body):
    response = api.post(EXPORTS, body, content_type="application/json")

    assert_problem(response, 422, "Cannot parse request body")


def test_a_body_that_is_not_utf_8_is_refused(api):
    response = api.post(EXPORTS, b'{"exporter": "\xff"}', content_type="application/json")

    assert_problem(response, 422, "Cannot parse request body")


def test_exporter_that_a_user_may_not_run_looks_like_one_that_is_not_there(api):
    response = post(api, body={"exporter": "planes"})

    said = 'There is no exporter "planes". There are: flights.'
    assert_problem(response, 422, said, field="exporter")
    assert not Export.objects.exists()


# -- Who asks -----------------------------------------------------------------------

ALL = [
    ("get", "/api/v1/exporters"),
    ("get", EXPORTS),
    ("post", EXPORTS),
    ("get", f"{EXPORTS}/{UNKNOWN}"),
    ("get", f"{EXPORTS}/{UNKNOWN}/file"),
    *(("post", f"{EXPORTS}/{UNKNOWN}/{action}") for action in ("cancel", "pause", "resume")),
]


@pytest.mark.parametrize(("method", "path"), ALL)
def test_who_is_not_signed_in_is_told_so_also_without_a_csrf_token(method, path):
    response = getattr(Client(enforce_csrf_checks=True), method)(path)

    assert_problem(response, 401, "Sign in, or send a bearer token.")


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize("header", ["Bearer nothing", "Bearer ", "Bearer", "Basic eDp5", "nothing"])
def test_a_token_that_is_not_valid_opens_nothing(method, path, header):
    response = getattr(Client(headers={"Authorization": header}), method)(path)

    assert_problem(response, 401, "The bearer token is not valid.")


def test_a_bad_token_is_not_made_up_for_by_a_session(somebody):
    client = Client(headers={"Authorization": "Bearer nothing"})
    client.force_login(somebody)

    assert_problem(client.get(EXPORTS), 401, "not valid")


def test_the_token_of_somebody_who_was_deactivated_opens_nothing(api):
    User.objects.update(is_active=False)

    assert_problem(api.get(EXPORTS), 401, "not valid")


def test_a_session_may_read(client, somebody):
    client.force_login(somebody)

    assert client.get(EXPORTS).status_code == 200


def test_a_session_without_the_csrf_token_may_not_write(somebody):
    client = Client(enforce_csrf_checks=True)
    client.force_login(somebody)

    response = post(client, body={"exporter": "flights"})

    assert_problem(response, 403, "X-CSRFToken")
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "body", "detail"),
    [
        ("application/x-www-form-urlencoded", "a=1&b=2", "more fields than this server takes"),
        ("multipart/form-data", "x", "could not make sense of this request"),
    ],
)
def test_a_form_that_django_refuses_is_no_error_of_ours(
    somebody, settings, content_type, body, detail
):
    client = Client(enforce_csrf_checks=True)  # The form is looked into for its token.
    client.force_login(somebody)
    client.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1

    refused = client.post(EXPORTS, body, content_type=content_type)

    assert_problem(refused, 400, detail)


def test_a_host_that_is_not_known_is_answered_as_a_problem(api):
    refused = api.get(EXPORTS, headers={"host": "elsewhere.example"})

    assert_problem(refused, 400, "could not make sense of this request")


def test_a_session_with_the_csrf_token_may_write(somebody):
    client = Client(enforce_csrf_checks=True)
    client.force_login(somebody)
    client.get("/exports/")
    token = client.cookies["csrftoken"].value

    response = post(client, body={"exporter": "flights"}, headers={"X-CSRFToken": token})

    assert response.status_code == 202


def test_a_program_needs_no_csrf_token(somebody):
    client = Client(
        enforce_csrf_checks=True, headers={"Authorization": f"Bearer {tokens.create(somebody)}"}
    )

    assert post(client, body={"exporter": "flights"}).status_code == 202


# -- Looking ------------------------------------------------------------------------


def test_exporters_are_those_that_one_may_run(api, another):
    (flights,) = api.get("/api/v1/exporters").json()

    assert flights["name"] == "flights"
    assert flights["label"] == "Flights"
    assert [each["name"] for each in flights["formats"]] == ["csv", "jsonl", "xlsx", "parquet"]
    assert flights["formats"][1] == {
        "name": "jsonl",
        "label": "JSON Lines",
        "options": [{"name": "gzip", "default": False, "choices": [True, False]}],
    }
    assert flights["formats"][0]["options"][0] == {
        "name": "delimiter",
        "default": ",",
        "choices": [",", ";", "\t", "|"],
    }
    assert flights["columns"][:3] == ["id", "date", "time_hour"]
    assert {"carrier", "date_after", "dep_delay_min"} <= set(flights["filters"])
    assert len(program(another).get("/api/v1/exporters").json()) >= 4


def test_the_list_has_ones_own_exports_the_newest_first(api, somebody, another):
    exports = [request(somebody) for _ in range(3)]
    request(another)
    for age, export in enumerate(exports):
        Export.objects.filter(pk=export.pk).update(created_at=timezone.now() - timedelta(hours=age))

    body = api.get(EXPORTS).json()

    assert body["count"] == 3
    assert [each["id"] for each in body["items"]] == [str(export.pk) for export in exports]
    assert body["items"][0] == answer(Export.objects.get(pk=exports[0].pk))


def test_the_list_comes_in_pages(api, somebody):
    for _ in range(5):
        request(somebody)
    everything = [each["id"] for each in api.get(EXPORTS).json()["items"]]

    first = api.get(EXPORTS, {"limit": 2}).json()
    second = api.get(EXPORTS, {"limit": 2, "offset": 2}).json()
    beyond = api.get(EXPORTS, {"limit": 2, "offset": 6}).json()

    assert [each["id"] for each in first["items"] + second["items"]] == everything[:4]
    assert (first["count"], beyond["count"], beyond["items"]) == (5, 5, [])


def test_the_list_can_be_of_one_status(api, somebody):
    failed = put(request(somebody), Status.FAILED)
    request(somebody)

    body = api.get(EXPORTS, {"status": "failed"}).json()

    assert (body["count"], [each["id"] for each in body["items"]]) == (1, [str(failed.pk)])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 2**63}, "offset"),
        ({"status": "done"}, "status"),
    ],
)
def test_a_page_that_cannot_be_is_refused(api, parameters, field):
    response = api.get(EXPORTS, parameters)

    assert_problem(response, 422, field, field=field)


def test_somebody_elses_export_looks_like_one_that_is_not_there(api, another):
    theirs = request(another)

    for method, action in (
        ("get", ""),
        ("get", "file"),
        ("post", "cancel"),
        ("post", "pause"),
        ("post", "resume"),
    ):
        there = getattr(api, method)(of(theirs, action))
        nowhere = getattr(api, method)(of(Export(pk=uuid.UUID(UNKNOWN)), action))

        assert_problem(there, 404, f"There is no export {theirs.pk}.")
        assert there.content.replace(str(theirs.pk).encode(), UNKNOWN.encode()) == nowhere.content
    assert Export.objects.get().status == Status.QUEUED


def test_who_may_view_all_exports_sees_those_of_others_and_may_not_stop_them(api, another):
    theirs = request(another)
    User.objects.get(username="somebody").user_permissions.add(
        Permission.objects.get(codename="view_export")
    )

    assert api.get(of(theirs)).status_code == 200
    assert_problem(api.post(of(theirs, "cancel")), 403, "look at this export")
    assert api.get(EXPORTS).json()["count"] == 0


# -- Stopping and going on ----------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        ("queued", "cancel", "cancelled"),
        ("running", "cancel", "cancelling"),
        ("running", "pause", "pausing"),
        ("queued", "pause", "paused"),
        ("paused", "resume", "queued"),
    ],
)
def test_what_can_be_done_is_accepted_with_the_new_snapshot(api, somebody, before, action, after):
    export = put(request(somebody), before)

    response = api.post(of(export, action))

    export.refresh_from_db()
    assert (response.status_code, response.json()["status"], export.status) == (202, after, after)
    assert response.json() == answer(export)


@pytest.mark.parametrize(
    ("status", "action", "detail"),
    [
        ("succeeded", "cancel", "This export is succeeded. It cannot be cancelled any more."),
        ("cancelling", "pause", "This export is cancelling. It cannot be paused any more."),
        ("failed", "pause", "This export is failed. It cannot be paused any more."),
        ("running", "resume", "This export is running. Only a paused one can be resumed."),
        ("cancelled", "resume", "This export is cancelled. Only a paused one can be resumed."),
        ("queued", "retry", "This export is queued. Only a failed or cancelled one"),
        ("succeeded", "retry", "one that has succeeded can be run again"),
        ("failed", "again", "a failed or cancelled one can be retried"),
    ],
)
def test_what_cannot_be_done_now_is_refused_in_words(api, somebody, status, action, detail):
    export = put(request(somebody), status)

    assert_problem(api.post(of(export, action)), 409, detail)

    export.refresh_from_db()
    assert export.status == status


# -- Asking again -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "action"), [("failed", "retry"), ("cancelled", "retry"), ("succeeded", "again")]
)
def test_what_is_over_is_asked_again_as_a_new_export(api, somebody, status, action):
    origin = put(request(somebody), status)

    first, second = api.post(of(origin, action)), api.post(of(origin, action))

    new = Export.objects.exclude(pk=origin.pk).get()
    assert (first.status_code, second.status_code) == (202, 200)
    for response in (first, second):
        assert response["Location"] == f"http://testserver{of(new)}"
        assert response.json() == answer(new)
    assert first.json()["origin"] == str(origin.pk)


def test_an_export_of_others_may_be_looked_at_and_not_repeated(somebody, another):
    theirs = put(request(another), Status.FAILED)
    somebody.user_permissions.add(Permission.objects.get(codename="view_export"))

    assert_problem(program(somebody).post(of(theirs, "retry")), 403, "and not change it")

    assert Export.objects.count() == 1


def test_a_retry_of_what_may_not_be_exported_any_more_is_refused(api, somebody):
    origin = put(request(somebody), Status.FAILED)
    somebody.user_permissions.clear()

    assert_problem(api.post(of(origin, "retry")), 403, 'You may not export "Flights".')


def test_a_retry_of_what_is_not_there_any_more_is_refused(api, somebody):
    origin = put(request(somebody), Status.FAILED, params={"columns": ["price"]})

    assert_problem(api.post(of(origin, "retry")), 422, 'no column "price"', field="columns")


def test_a_retry_beyond_a_limit_is_refused(api, somebody, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    origin = put(request(somebody), Status.FAILED)

    response = api.post(of(origin, "retry"))

    assert_problem(response, 429, "Ask again in", limit="requests_per_minute", allowed=1)
    assert int(response["Retry-After"]) > 0


# -- The file -----------------------------------------------------------------------


@pytest.fixture
def finished(somebody, settings, tmp_path):
    """A succeeded export with its file."""
    exporting.use_folders(settings, tmp_path)
    make_flights(range(1, 36))
    return run(attempts.claim(request(somebody, label="Flights").pk, worker="worker-1"))


@pytest.mark.django_db(transaction=True)
async def test_the_file_comes_whole_with_its_digest(finished, somebody):
    export = finished
    client = AsyncClient()
    await client.aforce_login(somebody)

    response = await client.get(of(export, "file"))

    assert response.status_code == 200
    assert b"".join([block async for block in response]) == file_with(range(1, 36))
    assert response["ETag"] == f'"{export.sha256}"'
    assert response["Content-Length"] == str(export.bytes)
    assert 'filename="Flights.csv"' in response["Content-Disposition"]


def test_an_export_without_a_file_says_why(api, somebody):
    assert_problem(api.get(of(request(somebody), "file")), 404, "no file. It is queued.")


def test_a_file_that_has_expired_is_gone(api, finished):
    put(finished, Status.SUCCEEDED, expires_at=timezone.now())

    assert_problem(api.get(of(finished, "file")), 410, "expired")


def test_who_has_lost_the_permission_gets_no_file(api, somebody, finished):
    somebody.user_permissions.clear()

    assert_problem(api.get(of(finished, "file")), 403, 'You may not export "Flights"')


# -- Errors of the way --------------------------------------------------------------


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("put", EXPORTS, "GET, POST"),
        ("post", f"/api/v1/streams/export-{UNKNOWN}", "GET"),
        ("delete", f"{EXPORTS}/{UNKNOWN}", "GET"),
        ("get", f"{EXPORTS}/{UNKNOWN}/cancel", "POST"),
        ("post", "/api/v1/exporters", "GET"),
    ],
)
def test_a_method_that_is_not_there_is_named_with_those_that_are(
    api, settings, *, debug, method, path, allowed
):
    settings.DEBUG = debug

    response = getattr(api, method)(path)

    assert_problem(response, 405, f"Use {allowed.replace(', ', ' or ')} here.")
    assert response["Allow"] == allowed


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/v1", "/api/v1/", "/api/v1/export", "/api/v2/exports", f"{EXPORTS}/7"],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_path_that_is_not_there_is_a_problem_too(api, settings, *, debug, method, path):
    settings.DEBUG = debug

    assert_problem(getattr(api, method)(path), 404, "There is nothing here.")


def test_an_error_of_ours_is_a_problem_and_tells_nothing(api, monkeypatch):
    def fail(**_):
        raise LookupError("a secret")

    api.raise_request_exception = False
    monkeypatch.setattr(lifecycle, "request_once", fail)

    response = post(api, body={"exporter": "flights"})

    assert_problem(response, 500, "")
    assert b"secret" not in response.content


# -- The document -------------------------------------------------------------------


class Scripts(html.parser.HTMLParser):
    """The scripts, styles and event handlers of a page."""

    def __init__(self, page):
        super().__init__()
        self.sources, self.inline, self._open = [], [], None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.inline += [name for name in attributes if name.startswith("on") or name == "style"]
        source = attributes.get("src") or attributes.get("href")
        if tag in {"script", "link"} and source:
            self.sources.append(source)
        # A block of data is not run.
        elif tag == "style" or (tag == "script" and attributes.get("type") != "application/json"):
            self.inline.append(tag)


def test_the_document_describes_every_path_and_its_refusals(client):
    document = client.get("/api/openapi.json").json()

    paths = {
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if "/exports" in path or "/exporters" in path
    }
    assert paths == {
        ("get", "/api/v1/exporters"),
        ("get", "/api/v1/exports"),
        ("post", "/api/v1/exports"),
        ("get", "/api/v1/exports/{export_id}"),
        ("get", "/api/v1/exports/{export_id}/file"),
        ("get", "/api/v1/exports/{export_id}/log"),
        ("post", "/api/v1/exports/{export_id}/cancel"),
        ("post", "/api/v1/exports/{export_id}/pause"),
        ("post", "/api/v1/exports/{export_id}/resume"),
        ("post", "/api/v1/exports/{export_id}/retry"),
        ("post", "/api/v1/exports/{export_id}/again"),
    }
    create = document["paths"]["/api/v1/exports"]["post"]["responses"]
    assert set(create) == {"200", "202", "401", "403", "422", "429", "507"}
    for repeat in ("retry", "again"):
        answers = document["paths"][f"/api/v1/exports/{{export_id}}/{repeat}"]["post"]["responses"]
        assert set(answers) == {"200", "202", "401", "403", "404", "409", "422", "429", "507"}


def test_the_documents_fields_are_those_of_the_snapshot(client, somebody):
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]

    assert list(schemas["ExportOut"]["properties"]) == list(snapshot(request(somebody)))


def test_the_docs_page_runs_under_the_content_security_policy(client):
    response = client.get("/api/docs")

    scripts = Scripts(response.content.decode())
    policy = response["Content-Security-Policy"]
    assert response.status_code == 200
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert scripts.inline == []
    assert scripts.sources
    for source in scripts.sources:
        assert source.startswith("/static/")
        assert finders.find(source.removeprefix("/static/"))
