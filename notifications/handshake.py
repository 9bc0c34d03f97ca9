"""Who is at the other end of a socket. Asked at the handshake, and again while it is open.

A browser comes with its session cookie and must name an origin of ours; a program comes
with a bearer token and names none.
"""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host

from notifications import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User

Scope = Any  # ASGI's: a mapping with "headers", pairs of bytes


def authenticate(scope: Scope) -> User | None:
    """The active user behind `scope`, or None. Reads the database each time it is asked,
    so it also tells who has signed out, was deactivated or has a new password.
    """
    headers = _headers(scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.user_of(token)
    return _session_user(headers.get("cookie", ""))


def origin_is_allowed(scope: Scope) -> bool:
    """Whether this is a page of ours, or a program that shows a token and no origin."""
    headers = _headers(scope)
    if "origin" not in headers:
        return headers.get("authorization", "").lower().startswith("bearer ")
    try:
        origin = urlsplit(headers["origin"])
    except ValueError:
        return False
    if origin.scheme not in {"http", "https"} or not origin.hostname:
        return False
    trusted = f"{origin.scheme}://{origin.netloc}"
    return trusted in settings.CSRF_TRUSTED_ORIGINS or _is_same_host(headers, origin.netloc)


def _is_same_host(headers: Mapping[str, str], netloc: str) -> bool:
    """The page and the socket have one host, port included, and it is an allowed one."""
    host = headers.get("host", "")
    domain, _ = split_domain_port(host)
    return netloc == host and bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _session_user(header: str) -> User | None:
    # Django's own: the standard library's drops all cookies for one that it cannot read,
    # and on one host there may be cookies of others.
    key = parse_cookie(header).get(settings.SESSION_COOKIE_NAME)
    if key is None:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    # get_user() wants a request only for its session. It checks the password's hash, too.
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    return user if user.is_authenticated and user.is_active else None


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
