"""Pages for errors: they say what is wrong, in the reader's language, and ask no database."""

from __future__ import annotations

import pytest
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpResponse
from django.test import Client
from django.urls import include, path

from notifications.inbox import notify
from tests.support.signing_in import session_cookie

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def refuse(request, kind):
    raise {
        "400": BadRequest("wrong"),
        "403": PermissionDenied(),
        "403-with-reason": PermissionDenied("Only on Mondays."),
        "404": Http404(),
        "500": LookupError("a secret"),
    }[kind]


def leave_message(request):
    messages.info(request, "Saved.")
    return HttpResponse()


handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
urlpatterns = [
    path("refuse/<kind>", refuse),
    path("api/refuse/<kind>", refuse),
    path("message", leave_message),
    path("", include("config.urls")),
]

ERRORS = [
    ("400", "Bad request", "The server could not read this request."),
    ("403", "Access denied", "You do not have permission to do this. Ask an administrator"),
    ("403-with-reason", "Access denied", "Only on Mondays."),
    ("404", "Not found", "This page was not found."),
    ("500", "Something went wrong", "An error occurred on our side and has been logged."),
]


@pytest.fixture
def ada(django_capture_on_commit_callbacks):
    ada = User.objects.create_superuser("ada")
    notify(ada, "Ready")
    return ada


@pytest.fixture
def client(ada):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    name, value = session_cookie(ada)
    client.cookies[name] = value
    return client


@pytest.mark.proves("error-pages-need-no-database")
@pytest.mark.parametrize(("kind", "title", "reason"), ERRORS)
def test_error_page_makes_no_database_query(client, django_assert_num_queries, kind, title, reason):
    with django_assert_num_queries(0):
        response = client.get(f"/refuse/{kind}")

    page = response.content.decode()
    assert response.status_code == int(kind[:3])
    assert f"<h1>{title}</h1>" in page
    assert reason in page
    assert "secret" not in page
    assert '<a href="/exports/">Back to exports</a>' in page
    assert 'value="de" lang="de"' in page  # The choice of a language, which needs a token.
    assert "csrfmiddlewaretoken" in page


@pytest.mark.parametrize(("kind", "title"), [(kind, title) for kind, title, _ in ERRORS])
def test_error_page_is_in_the_language_of_its_reader(client, kind, title):
    page = client.get(f"/refuse/{kind}", headers={"Accept-Language": "de"}).content.decode()

    assert '<html lang="de"' in page
    assert f"<h1>{title}</h1>" not in page
    assert "Zurück zu den Exporten" in page


@pytest.mark.parametrize(("kind", "reason"), [(kind, reason) for kind, _, reason in ERRORS])
def test_api_error_is_a_problem_document(client, django_assert_num_queries, kind, reason):
    with django_assert_num_queries(0):
        response = client.get(f"/api/refuse/{kind}")

    assert response.status_code == response.json()["status"] == int(kind[:3])
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"].startswith(reason.replace("&#x27;", "'"))


def test_expired_form_explains_the_remedy(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.post("/exports/")

    assert response.status_code == 403
    assert "This form has expired, or your browser blocks cookies." in response.content.decode()


def test_flash_message_waits_for_a_page_that_shows_messages(client):
    client.get("/message")

    assert b"Saved." not in client.get("/refuse/404").content
    assert b"Saved." in client.get("/exports/").content


BOUNDARY = "multipart/form-data; boundary="


@pytest.mark.parametrize(
    "path", ["/exports/", "/nope", "/refuse/403", "/refuse/500", "/admin/login/"]
)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded; charset=idna",
        f"{BOUNDARY}{'x' * 300}",
        f"{BOUNDARY}x; charset=utf-7",
    ],
)
def test_unreadable_form_does_not_break_the_error_page(client, path, content_type):
    """Django looks for the token of the page in the form that it has just refused to read."""
    client.raise_request_exception = True
    client.cookies["csrftoken"] = "a" * 32

    if path == "/refuse/500":
        client.raise_request_exception = False
    response = client.generic("POST", path, b"a=1", content_type=content_type)

    assert response.status_code in {400, 403, 404, 500 if path == "/refuse/500" else 400}
    assert b"<h1>" in response.content


def test_unreadable_form_is_a_problem_in_the_api(client):
    client.cookies["csrftoken"] = "a" * 32
    content_type = "application/x-www-form-urlencoded; charset=utf-7"

    response = client.generic("POST", "/api/v1/exports", b"a=1", content_type=content_type)

    assert response.status_code in {400, 403}
    assert response["Content-Type"] == "application/problem+json"
