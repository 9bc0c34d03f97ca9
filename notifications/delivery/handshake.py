"""Authenticate the client of a socket, at the handshake and again while the socket is open.

A browser sends its session cookie and must have an allowed origin. A program sends a bearer token
and no origin.
"""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.utils.http import is_same_domain

from notifications.api import tokens
from notifications.api.credentials import Scope, has_bearer_token, headers_of, session_key_of
from notifications.audit import attempts
from notifications.audit.record import About
from notifications.audit_actions import Action

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def authenticate(scope: Scope) -> User | None:
    """Return the active user of `scope`, or None.

    Each call reads the database, so it returns None when the user has signed out, was deactivated
    or has changed their password.
    """
    headers = headers_of(scope)
    if has_bearer_token(authorization := headers.get("authorization", "")):
        return tokens.user_of(authorization.partition(" ")[2])
    return _session_user(session_key_of(headers))


def admit(scope: Scope) -> User | None:
    """Authenticate a new connection, and record a refused token in the audit trail."""
    user = authenticate(scope)
    if user is None and has_bearer_token(headers_of(scope).get("authorization", "")):
        attempts.record_refused(Action.TOKEN_REFUSED, About("token"), _request(scope))
    return user


def origin_is_allowed(scope: Scope) -> bool:
    """Return whether the client is a page of this site, or a program with a token and no origin.

    The rule is that of Django's CSRF check: same scheme, host and port, or an origin in
    CSRF_TRUSTED_ORIGINS. So an http page that an attacker has modified on the way cannot open a
    socket of the https site.
    """
    headers = headers_of(scope)
    if "origin" not in headers:
        return has_bearer_token(headers.get("authorization", ""))
    origin = headers["origin"]
    return _is_own(scope, origin) or any(
        _is_trusted(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS
    )


def _is_own(scope: Scope, origin: str) -> bool:
    """Return whether `origin` is the origin of the socket itself, on an allowed host."""
    # The scheme and the host may come from the proxy's headers, as for any request.
    request = _request(scope)
    if not request.headers.get("Host"):
        return False  # Django would fall back to the address of the server.
    try:
        return origin == f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:
        return False


def _request(scope: Scope) -> ASGIRequest:
    """Return the handshake as a Django request."""
    scheme = {"wss": "https", "ws": "http"}.get(scope.get("scheme", "ws"))
    return ASGIRequest({"path": "/", **scope, "method": "GET", "scheme": scheme}, BytesIO())


def _is_trusted(origin: str, trusted: str) -> bool:
    """Return whether `trusted`, an entry of CSRF_TRUSTED_ORIGINS, matches `origin`."""
    if "*" not in trusted:
        return origin == trusted
    scheme, _, hosts = trusted.partition("://")
    prefix = f"{scheme}://"
    netloc = origin.removeprefix(prefix)
    return origin.startswith(prefix) and is_same_domain(netloc, hosts.lstrip("*"))


def _session_user(key: str | None) -> User | None:
    if key is None:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    # get_user() needs only the request's session. It also checks the session's password hash.
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    return user if user.is_authenticated and user.is_active else None
