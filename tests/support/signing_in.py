"""Signing in without the form: for the tests that are about something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.test import Client

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def session_cookie(user: User) -> tuple[str, str]:
    """The name and value of a cookie with which `user` is signed in, on any server of ours."""
    client = Client()
    client.force_login(user)
    return settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value
