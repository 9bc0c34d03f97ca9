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
def test_who_is_not_signed_in_is_told_so_also_without_a_csrf_token(method, path):
    response = getattr(Client(enforce_csrf_checks=True), method)(path)

    assert_problem(response, 401, "Sign in, or send a bearer token.")


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize("header", ["Bearer nothing", "Bearer ", "Bearer", "Basic eDp5", "nothing"])
def test_a_token_that_is_not_valid_opens_nothing(method, path, header):
    response = getattr(Client(headers={"Authorization": header}), method)(path)

    assert_problem(response, 401, "The bearer token is not valid.")


def test_a_bad_token_is_not_made_up_for_by_a_session(exporter_user):
    client = Client(headers={"Authorization": "Bearer nothing"})
    client.force_login(exporter_user)

    assert_problem(client.get(EXPORTS), 401, "not valid")


def test_the_token_of_somebody_who_was_deactivated_opens_nothing(api):
    User.objects.update(is_active=False)

    assert_problem(api.get(EXPORTS), 401, "not valid")


def test_a_session_may_read(client, exporter_user):
    client.force_login(exporter_user)

    assert client.get(EXPORTS).status_code == 200


def test_a_session_without_the_csrf_token_may_not_write(exporter_user):
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
def test_a_form_that_django_refuses_is_no_error_of_ours(
    exporter_user, settings, content_type, body, detail
):
    client = Client(enforce_csrf_checks=True)  # The form is looked into for its token.
    client.force_login(exporter_user)
    client.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1

    refused = client.post(EXPORTS, body, content_type=content_type)

    assert_problem(refused, 400, detail)


def test_a_host_that_is_not_known_is_answered_as_a_problem(api):
    refused = api.get(EXPORTS, headers={"host": "elsewhere.example"})

    assert_problem(refused, 400, "could not read this request")


def test_a_session_with_the_csrf_token_may_write(exporter_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(exporter_user)
    client.get("/exports/")
    token = client.cookies["csrftoken"].value

    response = post(client, body={"exporter": "flights"}, headers={"X-CSRFToken": token})

    assert response.status_code == 202


def test_a_program_needs_no_csrf_token(exporter_user):
    client = Client(
        enforce_csrf_checks=True,
        headers={"Authorization": f"Bearer {tokens.create(exporter_user)}"},
    )

    assert post(client, body={"exporter": "flights"}).status_code == 202
