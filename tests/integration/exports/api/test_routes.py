"""The HTTP API of exports: errors of any request, and the document that describes it."""

from __future__ import annotations

import html.parser

import pytest
from django.contrib.staticfiles import finders

from exports import lifecycle
from exports.serialize import snapshot
from tests.support.exporting import request
from tests.support.exports_api import EXPORTS, UNKNOWN, assert_problem, post

pytestmark = pytest.mark.django_db(transaction=True)


# -- Errors of the way ---------------------------------------------------------------------------


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
def test_wrong_method_is_answered_with_the_allowed_methods(
    api, settings, *, debug, method, path, allowed
):
    settings.DEBUG = debug

    response = getattr(api, method)(path)

    assert_problem(response, 405, f"This address only accepts {allowed.replace(', ', ' or ')}.")
    assert response["Allow"] == allowed


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "path",
    ["/api/", "/api/v1", "/api/v1/", "/api/v1/export", "/api/v2/exports", f"{EXPORTS}/7"],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_path_is_a_problem_document(api, settings, *, debug, method, path):
    settings.DEBUG = debug

    assert_problem(getattr(api, method)(path), 404, "Nothing was found at this address.")


def test_internal_error_is_a_problem_without_details(api, monkeypatch):
    def fail(_):
        raise LookupError("a secret")

    api.raise_request_exception = False
    monkeypatch.setattr(lifecycle, "start", fail)

    response = post(api, body={"exporter": "flights"})

    assert_problem(response, 500, "")
    assert b"secret" not in response.content


# -- The document --------------------------------------------------------------------------------


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


def test_document_describes_every_path_and_its_refusals(client):
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


def test_documented_fields_match_the_snapshot(client, exporter_user):
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]

    assert list(schemas["ExportOut"]["properties"]) == list(snapshot(request(exporter_user)))


def test_docs_page_runs_under_the_content_security_policy(client):
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
