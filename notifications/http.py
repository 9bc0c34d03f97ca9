"""What views of pages and of the API share: who asks, and where to go after a POST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponseRedirect

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest


class SeeOther(HttpResponseRedirect):
    """After a POST: get that page."""

    status_code = 303


def user_of(request: HttpRequest) -> User:
    """Who is signed in. Only for views that nobody else reaches."""
    assert request.user.is_authenticated
    return request.user
