"""Digests of the credentials of a client: its session cookie or its bearer token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import parse_cookie

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest


Scope = Any  # An ASGI scope: a mapping with "headers", a list of pairs of bytes.


def credentials(scope: Scope) -> bytes:
    """Return a digest of the session cookie or bearer token of an ASGI connection."""
    headers = headers_of(scope)
    return _digest(headers.get("authorization", ""), session_key_of(headers))


def credentials_of(request: HttpRequest) -> bytes:
    """Return the same digest for a Django request with the same cookie or token."""
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return _digest(request.headers.get("Authorization", ""), session_key)


def has_bearer_token(authorization: str) -> bool:
    """Return whether a header Authorization is for a bearer token, even if the token is missing."""
    return authorization.partition(" ")[0].lower() == "bearer"


def _digest(authorization: str, session_key: str | None) -> bytes:
    # Credentials of other schemes are for a proxy, which may use one password for all users.
    text = authorization if has_bearer_token(authorization) else session_key or ""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()


def session_key_of(headers: Mapping[str, str]) -> str | None:
    # Django's parser, because the standard library's drops all cookies if one is malformed. Other
    # applications on the host may set such cookies.
    return parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
