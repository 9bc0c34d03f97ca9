"""Who is at the other end of a socket. Asked at the handshake, and again while it is open.

A browser comes with its session cookie and must name an origin of ours; a program comes
with a bearer token and names none.
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
from notifications.api.credentials import Scope, headers_of, session_key_of
from notifications.audit import attempts
from notifications.audit.record import About
from notifications.audit_actions import Action

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def authenticate(scope: Scope) -> User | None:
    """The active user behind `scope`, or None. Reads the database each time it is asked,
    so it also tells who has signed out, was deactivated or has a new password.
    """
    headers = headers_of(scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return tokens.user_of(token)
    return _session_user(session_key_of(headers))


def admit(scope: Scope) -> User | None:
    """Authenticate a new connection, and record a refused token in the audit trail."""
    user = authenticate(scope)
    if user is None and headers_of(scope).get("authorization", "").lower().startswith("bearer "):
        attempts.record_refused(Action.TOKEN_REFUSED, About("token"), _request(scope))
    return user


def origin_is_allowed(scope: Scope) -> bool:
    """Return whether the client is a page of this site, or a program with a token and no origin.

    The rule is that of Django's CSRF check: same scheme, host and port, or an origin in
    CSRF_TRUSTED_ORIGINS. So a page that was modified on its way over http opens no socket of the
    site over https.
    """
    headers = headers_of(scope)
    if "origin" not in headers:
        return headers.get("authorization", "").lower().startswith("bearer ")
    origin = headers["origin"]
    return _is_own(scope, origin) or any(
        _is_trusted(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS
    )


def _is_own(scope: Scope, origin: str) -> bool:
    """Whether `origin` is that of the socket, and its host an allowed one."""
    # As for any request, the headers of the proxy decide about scheme and host.
    request = _request(scope)
    if not request.headers.get("Host"):
        return False  # Django would use the address of the server instead.
    try:
        return origin == f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:
        return False


def _request(scope: Scope) -> ASGIRequest:
    """Return the handshake as a request of Django's."""
    scheme = {"wss": "https", "ws": "http"}.get(scope.get("scheme", "ws"))
    return ASGIRequest({"path": "/", **scope, "method": "GET", "scheme": scheme}, BytesIO())


def _is_trusted(origin: str, trusted: str) -> bool:
    """Whether `trusted`, an entry of CSRF_TRUSTED_ORIGINS, means `origin`."""
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
    # get_user() wants a request only for its session. It checks the password's hash, too.
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    return user if user.is_authenticated and user.is_active else None
