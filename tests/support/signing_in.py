"""Sign in without the form, for tests of other features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.test import Client

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def signed_in(user: User, **options: Any) -> Client:
    """Return a client in which `user` is signed in."""
    client = Client(**options)
    client.force_login(user)
    return client


def session_cookie(user: User) -> tuple[str, str]:
    """Return the name and value of a session cookie of `user` for any server of the tests."""
    cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME]
    return settings.SESSION_COOKIE_NAME, cookie.value
