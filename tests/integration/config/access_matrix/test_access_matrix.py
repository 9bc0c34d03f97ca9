"""Every route, for everybody, with every export: the status, and what it changes.

A route that is in the URLconf and not in `expected` fails, so that whoever adds a URL says who
may have it. Each request is rolled back: whatever one of them is allowed to change, the next
finds everything as it was.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from urllib.parse import quote, urlencode, urlsplit

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from config import health
from config.api import api
from tests.integration.config.access_matrix import expected
from tests.integration.config.access_matrix.people import EXPORTS, make_world
from tests.integration.config.access_matrix.requests import FORM, Sender
from tests.integration.config.access_matrix.routes import routes
from tests.support.exporting import use_folders

pytestmark = pytest.mark.django_db

STREAMS = [route for route in routes() if route.pattern in expected.STREAMS]
ROUTES = [route for route in routes() if route not in STREAMS]
# It changes threads five times for each request, and serves no files in tests.
ASYNC_ONLY = "servestatic.middleware.ServeStaticMiddleware"
JSON = "application/json"
ELSEWHERE = "https://elsewhere.example/"
# Not looked at for what may be kept: programs ask the API, and these pages of Django's admin
# show a name and vary with the cookie.
OPEN = ("api/", "health/", "admin/password_change/", "admin/jsi18n/")
# The admin makes the same views for each model.
LIKE_OTHERS = re.compile(r"admin/(demo/(?!flight)|notifications/(?!token)|django_celery_results)")
PATCHED = expected.PATCHES


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, tmp_path_factory):
    """Made once, since each request is rolled back."""
    changed = SimpleNamespace(STORAGES=settings.STORAGES)
    use_folders(changed, tmp_path_factory.mktemp("matrix"))
    changed.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != ASYNC_ONLY]
    with (
        pytest.MonkeyPatch.context() as patch,
        override_settings(**vars(changed)),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        # It would close the connection that has the transaction of the test.
        patch.setattr("config.threads.close_old_connections", lambda: None)
        # These wait for the answers of workers, a second or two for each request.
        patch.delitem(health.CHECKS, "worker")
        patch.setattr("exports.admin.health_page.health.findings", lambda _more: [])
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def sender(world):
    return Sender(world)


def states_of(route, kind):
    """The exports that this route is tried with: all, where its table knows them apart."""
    if not route.is_of_an_export:
        return [""]
    apart = [state for state in EXPORTS if f"{kind}:{state}" in expected.TABLES]
    return EXPORTS if len(apart) > 1 else list(dict.fromkeys(["private", *apart]))


def body_of(route, world, person):
    """What is sent with a POST or a PATCH, and its type."""
    if route.pattern in expected.BODIES:
        return expected.BODIES[route.pattern], JSON
    form = expected.FORMS.get(route.pattern, {})
    if route.pattern.endswith("/delete/"):
        form = expected.DELETES
    if route.pattern.endswith("/export/") or route.pattern.endswith("/export/preview/"):
        columns = {"weather": "id", "flight": "id", "plane": "tailnum", "airport": "faa"}
        form = {"format": "csv", "column": columns.get(route.pattern.split("/")[2], "")} | form
    queued = world.export(person, "queued").pk
    filled = {name: value.format(queued=queued) for name, value in form.items()}
    return urlencode(filled), FORM


def differences(sender, world, method, kinds):
    """Where an answer is another than its table says."""
    found = []
    for route, kind in kinds.items():
        for state in states_of(route, kind):
            for person, cell in expected.cells(kind, state).items():
                export = world.export(person, state or "private")
                path = route.address(world, export)
                body, content_type = body_of(route, world, person) if method != "GET" else ("", "")
                answer = sender.send(person, method, path, body, content_type=content_type)
                if answer.cell != cell:
                    found.append(f"{method} {route.pattern} {state} {person}: {answer.cell}")
    return found


@pytest.mark.proves("access-matches-the-table")
def test_routes_are_all_in_the_table(world):
    unknown = [route.pattern for route in ROUTES if expected.kinds_of(route.pattern) is None]
    assert unknown == []

    patterns = [route.pattern for route in ROUTES]
    for route in expected.ROUTES:
        assert any(map(re.compile(route).fullmatch, patterns)), f"No URL is {route}"
    assert len(STREAMS) == len(expected.STREAMS)


@pytest.mark.proves("access-matches-the-table")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_user_gets_the_responses_of_the_table(world, sender, method):
    at = ["GET", "POST"].index(method)
    kinds = {route: expected.kinds_of(route.pattern)[at] for route in ROUTES}

    found = differences(sender, world, method, kinds)

    assert not found, "\n".join(found)


def test_documented_operations_are_all_in_the_table(world, sender):
    operations = [
        (path.lstrip("/"), method)
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    ]
    left_out = []
    for path, method in operations:
        pattern = path.replace("{export_id}", "<uuidstr:export_id>").replace("{name}", "<name>")
        if pattern in expected.STREAMS and method == "get":
            continue
        kinds = expected.kinds_of(pattern) or ("other method", "other method")
        tried = {"get": kinds[0], "post": kinds[1], "patch": expected.PATCHES.get(pattern)}
        if tried.get(method) in {None, "other method"}:
            left_out.append(f"{method} {path}")

    assert operations
    assert left_out == []


def test_every_user_gets_the_patch_responses_of_the_table(world, sender):
    kinds = {each: expected.PATCHES[each.pattern] for each in ROUTES if each.pattern in PATCHED}

    found = differences(sender, world, "PATCH", kinds)

    assert not found, "\n".join(found)


@pytest.mark.proves("access-matches-the-table")
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_other_methods_change_nothing_and_show_no_more(world, sender, method):
    found = []
    for route in filter(lambda each: not LIKE_OTHERS.match(each.pattern), ROUTES):
        if method == "PATCH" and route.pattern in PATCHED:
            continue
        kind, _ = expected.kinds_of(route.pattern)
        is_admins = route.pattern.startswith("admin/")
        for person in ("stranger", "superuser") if is_admins else ("stranger", "owner"):
            path = route.address(world, world.export(person, "private"))
            answer = sender.send(person, method, path)
            is_refused = expected.cells(kind, "private")[person] in {"login", "403", "404"}
            shows_more = is_refused and answer.status == 200 and answer.body
            if answer.status >= 500 or answer.has_written or shows_more:
                found.append(f"{method} {route.pattern} {person}: {answer.cell}")

    assert not found, "\n".join(found)


@pytest.mark.only_on("sqlite")
def test_cross_site_request_changes_nothing(world, sender):
    """It can make a browser send the session's cookie, and no token against forgery."""
    found = []
    for route in ROUTES:
        _, kind = expected.kinds_of(route.pattern)
        state = "queued" if f"{kind}:queued" in expected.TABLES else "private"
        for person in ("anonymous", "owner", "superuser"):
            path = route.address(world, world.export(person, state))
            body, content_type = body_of(route, world, person)
            answer = sender.send(
                *(person, "POST", path, body), content_type=content_type, has_csrf_token=False
            )
            does = expected.cells(kind, state)[person].endswith("*")
            if answer.has_written or (does and answer.status not in {401, 403}):
                found.append(f"{route.pattern} {person}: {answer.cell}")

    assert not found, "\n".join(found)


@pytest.mark.proves("access-matches-the-table")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_foreign_export_looks_like_a_missing_one(world, sender, method):
    found = []
    for route in filter(lambda each: each.is_of_an_export, ROUTES):
        for person in expected.BLIND:
            export = world.export(person, "private")
            answer, unknown = (
                sender.send(person, method, route.address(world, each)).without(str(export.pk))
                for each in (export, None)
            )
            if answer != unknown:
                found.append(f"{method} {route.pattern} {person}: {answer.cell} {unknown.cell}")

    assert not found, "\n".join(found)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("person", ["owner", "superuser"])
def test_response_cannot_redirect_elsewhere_be_framed_or_cached(world, sender, person, method):
    found = []
    for route in ROUTES:
        path = route.address(world, world.export(person, "private"))
        body, content_type = body_of(route, world, person)
        if content_type == FORM:
            body = f"{body}&next={quote(ELSEWHERE)}"
        answer = sender.send(
            person,
            method,
            f"{path}?next={quote(ELSEWHERE)}",
            body if method == "POST" else "",
            content_type=content_type,
        )
        sent = answer.headers
        is_safe = (
            "frame-ancestors 'none'" in sent["Content-Security-Policy"]
            and "default-src 'self'" in sent["Content-Security-Policy"]
            and sent["X-Frame-Options"] == "DENY"
            and sent["X-Content-Type-Options"] == "nosniff"
            and sent["Referrer-Policy"] == "same-origin"
        )
        leads_elsewhere = urlsplit(sent.get("Location", "")).netloc not in {"", "testserver"}
        is_of_somebody = answer.status == 200 and not route.pattern.startswith(OPEN)
        is_private = {"private", "no-store"} & {*sent.get("Cache-Control", "").split(", ")}
        if not is_safe or leads_elsewhere or (is_of_somebody and not is_private):
            found.append(f"{method} {route.pattern} {sent}")

    assert not found, "\n".join(found)
