"""Whose session a request has shown, as the middleware remembers it for the limit of requests."""

from __future__ import annotations

import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from django.test import RequestFactory

from config.request_limits import remember_user
from notifications.api import known_users
from notifications.api.credentials import credentials_of


@pytest.fixture(autouse=True)
def _nobody_is_known():
    known_users.clear()
    yield
    known_users.clear()


class Session(dict):
    def __init__(self, key, *, accessed=True, **contents):
        super().__init__(**contents)
        self.session_key = key
        self.accessed = accessed


@pytest.mark.parametrize(
    ("session", "user"),
    [
        (Session("key", **{SESSION_KEY: "7"}), "7"),
        (Session("key"), None),
        (Session("new", **{SESSION_KEY: "7"}), None),
        (Session("key", accessed=False, **{SESSION_KEY: "7"}), None),
    ],
)
async def test_user_of_a_session_is_remembered(session, user):
    request = RequestFactory().get("/", headers={"cookie": "sessionid=key"})
    request.session = session

    async def view(_):
        return HttpResponse()

    await remember_user(view)(request)
    assert known_users.find(credentials_of(request)) == user

    known_users.clear()
    remember_user(lambda _: HttpResponse())(request)
    assert known_users.find(credentials_of(request)) == user


def test_visitor_without_a_cookie_is_not_remembered():
    request = RequestFactory().get("/")
    request.session = Session(None, **{SESSION_KEY: "7"})

    remember_user(lambda _: HttpResponse())(request)

    assert known_users.find(credentials_of(request)) is None
