"""What a caller shows, as a digest: a session cookie or a bearer token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import parse_cookie

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest


Scope = Any  # ASGI's: a mapping with "headers", pairs of bytes


def credentials(scope: Scope) -> bytes:
    """Return a digest of the client's session cookie or bearer token."""
    headers = headers_of(scope)
    return _digest(headers.get("authorization", ""), session_key_of(headers))


def credentials_of(request: HttpRequest) -> bytes:
    """Like `credentials`, for a request. The same cookie or token has the same digest."""
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return _digest(request.headers.get("Authorization", ""), session_key)


def _digest(authorization: str, session_key: str | None) -> bytes:
    # Other schemes are for a proxy, which may have one password for all users.
    is_bearer = authorization.lower().startswith("bearer ")
    shown = authorization if is_bearer else session_key or ""
    return hashlib.blake2b(shown.encode(errors="replace"), digest_size=16).digest()


def session_key_of(headers: Mapping[str, str]) -> str | None:
    # Django's own: the standard library's drops all cookies for one that it cannot read,
    # and on one host there may be cookies of others.
    return parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
