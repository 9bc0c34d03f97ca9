"""The HTTP API of exports, as a browser with a session and a program with a token see it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from exports.models import Export
from notifications.api import tokens
from tests.support.exports_api import EXPORTS, UNKNOWN, assert_problem, post

pytestmark = pytest.mark.django_db(transaction=True)


ALL = [
    ("get", "/api/v1/exporters"),
    ("get", EXPORTS),
    ("post", EXPORTS),
    ("get", f"{EXPORTS}/{UNKNOWN}"),
    ("get", f"{EXPORTS}/{UNKNOWN}/file"),
    *(("post", f"{EXPORTS}/{UNKNOWN}/{action}") for action in ("cancel", "pause", "resume")),
]


@pytest.mark.parametrize(("method", "path"), ALL)
def test_anonymous_request_gives_401_even_without_a_csrf_token(method, path):
    response = getattr(Client(enforce_csrf_checks=True), method)(path)

    assert_problem(response, 401, "Sign in, or send a bearer token.")


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize("header", ["Bearer nothing", "Bearer ", "Bearer", "Basic eDp5", "nothing"])
def test_invalid_token_is_refused(method, path, header):
    response = getattr(Client(headers={"Authorization": header}), method)(path)

    assert_problem(response, 401, "The bearer token is not valid.")


def test_session_does_not_excuse_an_invalid_token(exporter_user):
    client = Client(headers={"Authorization": "Bearer nothing"})
    client.force_login(exporter_user)

    assert_problem(client.get(EXPORTS), 401, "not valid")


def test_token_of_a_deactivated_user_is_refused(api):
    User.objects.update(is_active=False)

    assert_problem(api.get(EXPORTS), 401, "not valid")


def test_session_may_read(client, exporter_user):
    client.force_login(exporter_user)

    assert client.get(EXPORTS).status_code == 200


def test_session_without_the_csrf_token_may_not_write(exporter_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(exporter_user)

    response = post(client, body={"exporter": "flights"})

    assert_problem(response, 403, "X-CSRFToken")
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "body", "detail"),
    [
        ("application/x-www-form-urlencoded", "a=1&b=2", "too many fields"),
        ("multipart/form-data", "x", "could not read this request"),
    ],
)
def test_malformed_form_gives_a_client_error(exporter_user, settings, content_type, body, detail):
    client = Client(enforce_csrf_checks=True)  # The form is looked into for its token.
    client.force_login(exporter_user)
    client.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1

    refused = client.post(EXPORTS, body, content_type=content_type)

    assert_problem(refused, 400, detail)


def test_unknown_host_is_a_problem_document(api):
    refused = api.get(EXPORTS, headers={"host": "elsewhere.example"})

    assert_problem(refused, 400, "could not read this request")


def test_session_with_the_csrf_token_may_write(exporter_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(exporter_user)
    client.get("/exports/")
    token = client.cookies["csrftoken"].value

    response = post(client, body={"exporter": "flights"}, headers={"X-CSRFToken": token})

    assert response.status_code == 202


def test_program_needs_no_csrf_token(exporter_user):
    client = Client(
        enforce_csrf_checks=True,
        headers={"Authorization": f"Bearer {tokens.create(exporter_user)}"},
    )

    assert post(client, body={"exporter": "flights"}).status_code == 202
