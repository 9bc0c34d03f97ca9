"""Sign in without the form, for tests of other features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.test import Client

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def session_cookie(user: User) -> tuple[str, str]:
    """Return the name and value of a session cookie of `user` for any server of the tests."""
    client = Client()
    client.force_login(user)
    return settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value
