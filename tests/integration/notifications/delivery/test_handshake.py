"""Who is at the other end of a socket, and from which pages a socket may be opened."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from notifications.api import tokens
from notifications.delivery import handshake
from notifications.models import Token
from tests.support.streaming import HOST, headers

pytestmark = [pytest.mark.django_db, pytest.mark.proves("lost-rights-end-streams")]

PASSWORD = "correct horse"


@pytest.fixture
def user():
    return User.objects.create_user("ada", password=PASSWORD)


@pytest.fixture
def browser(user):
    """A browser that has signed in."""
    client = Client()
    assert client.login(username="ada", password=PASSWORD)
    return client


def session_of(browser):
    return browser.cookies["sessionid"].value


def authenticated(**given):
    return handshake.authenticate({"headers": headers(**given)})


def with_cookies(text):
    return handshake.authenticate({"headers": [(b"cookie", text.encode())]})


def origin_is_allowed(*, proto="", scheme="", **given):
    """`proto`: what a proxy says of the scheme; `scheme`: what the server says."""
    scope = {"headers": headers(**given)}
    if proto:
        scope["headers"].append((b"x-forwarded-proto", proto.encode()))
    return handshake.origin_is_allowed({**scope, "scheme": scheme} if scheme else scope)


# -- sessions --------------------------------------------------------------------------------


def test_session_identifies_its_user(user, browser):
    assert authenticated(cookie=session_of(browser)) == user


@pytest.mark.parametrize("cookie", ["", "nobody's", "x" * 4000, "\udcff"])
def test_missing_session_is_anonymous(cookie):
    assert handshake.authenticate({"headers": []}) is None
    assert with_cookies(f"sessionid={cookie.encode('utf-8', 'replace').decode()}") is None


def test_other_cookies_do_not_hide_the_session(user, browser):
    """What other programs on the same host have set is sent along, in any form."""
    session = f"sessionid={session_of(browser)}"

    assert with_cookies(f'prefs={{"a": [1, 2]}}; {session}; b@d=1; "') == user
    assert with_cookies(f"first; {session}; last=<é>") == user


def test_session_without_a_user_is_anonymous(client):
    session = client.session
    session["basket"] = [1]
    session.save()

    assert authenticated(cookie=session.session_key) is None


def test_signed_out_session_is_anonymous(browser):
    cookie = session_of(browser)

    browser.logout()

    assert authenticated(cookie=cookie) is None


def test_session_of_a_deactivated_user_is_anonymous(user, browser):
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert authenticated(cookie=session_of(browser)) is None


def test_deactivated_user_is_anonymous_for_every_backend(user, browser, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    assert browser.login(username="ada", password=PASSWORD)
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert authenticated(cookie=session_of(browser)) is None


def test_session_of_a_deleted_user_is_anonymous(user, browser):
    user.delete()

    assert authenticated(cookie=session_of(browser)) is None


def test_new_password_ends_earlier_sessions(user, browser):
    user.set_password("another")
    user.save()

    assert authenticated(cookie=session_of(browser)) is None


def test_expired_session_is_anonymous(browser):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert authenticated(cookie=session_of(browser)) is None


def test_authentication_queries_the_database_each_time(user, browser):
    cookie = session_of(browser)
    assert authenticated(cookie=cookie) == user

    Session.objects.all().delete()

    assert authenticated(cookie=cookie) is None


# -- tokens ----------------------------------------------------------------------------------


def test_bearer_token_identifies_its_user(user):
    assert authenticated(token=tokens.create(user), origin=None) == user


def test_bearer_scheme_is_case_insensitive(user):
    token = tokens.create(user)

    for word in ("bearer", "BEARER"):
        given = [(b"authorization", f"{word} {token}".encode())]
        assert handshake.authenticate({"headers": given}) == user


def test_invalid_token_is_anonymous_even_with_a_session(browser):
    assert authenticated(cookie=session_of(browser), token="waybill_guessed") is None
    assert authenticated(cookie=session_of(browser), token="\xff") is None


def test_token_of_a_deactivated_user_is_anonymous(user):
    token = tokens.create(user)
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert authenticated(token=token) is None


def test_revoked_token_is_anonymous(user):
    token = tokens.create(user)
    Token.objects.all().delete()

    assert authenticated(token=token) is None


# -- origins ---------------------------------------------------------------------------------


def test_page_of_the_same_host_and_port_is_allowed():
    assert origin_is_allowed(origin=f"http://{HOST}")
    assert origin_is_allowed(origin=f"http://{HOST}:8443", host=f"{HOST}:8443")


@pytest.mark.parametrize(
    ("proto", "allowed", "refused"),
    [("https", "https", "http"), ("http", "http", "https"), ("https,http", "https", "http")],
)
def test_scheme_comes_from_the_proxy(settings, proto, allowed, refused):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    assert origin_is_allowed(origin=f"{allowed}://{HOST}", proto=proto)
    assert not origin_is_allowed(origin=f"{refused}://{HOST}", proto=proto)
    assert origin_is_allowed(origin=f"{allowed}://{HOST}:81", host=f"{HOST}:81", proto=proto)
    assert not origin_is_allowed(origin=f"{allowed}://{HOST}", host=f"{HOST}:81", proto=proto)


def test_proxy_headers_need_the_setting(settings):
    settings.SECURE_PROXY_SSL_HEADER = None

    assert not origin_is_allowed(origin=f"https://{HOST}", proto="https")
    assert origin_is_allowed(origin=f"http://{HOST}", proto="https")


def test_scheme_comes_from_the_server_without_a_proxy():
    assert origin_is_allowed(origin=f"https://{HOST}", scheme="wss")
    assert not origin_is_allowed(origin=f"http://{HOST}", scheme="wss")
    assert origin_is_allowed(origin=f"http://{HOST}", scheme="ws")
    assert not origin_is_allowed(origin=f"https://{HOST}", scheme="ws")


def test_host_comes_from_the_proxy_if_the_settings_say_so(settings):
    forwarded = [(b"x-forwarded-host", HOST.encode())]
    scope = {"headers": headers(origin=f"http://{HOST}", host="localhost:8000") + forwarded}

    assert not handshake.origin_is_allowed(scope)
    settings.USE_X_FORWARDED_HOST = True
    assert handshake.origin_is_allowed(scope)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        f"http://{HOST}.evil.example",
        f"http://evil.{HOST}",
        f"http://{HOST}:8001",
        f"http://{HOST}@evil.example",
        "null",
        "file://",
        "file:///etc/passwd",
        f"ftp://{HOST}",
        HOST,
        "http://",
        "http://[::1",
        "http://[not-an-address]",
        "*",
    ],
)
def test_foreign_origin_is_refused(origin):
    assert not origin_is_allowed(origin=origin)
    assert not origin_is_allowed(origin=origin, token="waybill_whatever")


def test_foreign_host_is_not_allowed_by_its_own_origin():
    assert not origin_is_allowed(origin="http://evil.example", host="evil.example")


def test_page_without_a_comparable_host_is_not_allowed():
    assert not origin_is_allowed(host="")
    assert not origin_is_allowed(origin="http://", host="")
    scope = {"headers": headers(origin="http://localhost:8000", host="")}
    assert not handshake.origin_is_allowed({**scope, "server": ("localhost", 8000)})


def test_origin_that_the_settings_trust_is_allowed(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]

    assert origin_is_allowed(origin="https://app.example")
    assert not origin_is_allowed(origin="http://app.example")


def test_subdomains_that_the_settings_trust_are_allowed(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.app.example"]

    assert origin_is_allowed(origin="https://one.app.example")
    assert not origin_is_allowed(origin="http://one.app.example")
    assert not origin_is_allowed(origin="https://one.app.example.evil.example")


def test_program_needs_a_token_and_no_origin():
    assert origin_is_allowed(origin=None, token="waybill_whatever")
    assert not origin_is_allowed(origin=None)
    assert not origin_is_allowed(origin=None, cookie="somebody's")
