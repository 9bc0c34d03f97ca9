"""In which language people are written to: the one in which they last met the pages.

Whoever writes a letter has no request that says so. It is noted when somebody signs in and
when they choose another language; `inbox.choose_mailing` notes it, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.views import i18n

from notifications.inbox import inbox

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponseBase


def set_language(request: HttpRequest) -> HttpResponseBase:
    """Django's own view, whose choice the letters of who is signed in follow."""
    response = i18n.set_language(request)
    # Which it sets if it is a language of this site.
    chosen = response.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    if chosen is not None and request.user.is_authenticated:
        inbox.remember_language(request.user, chosen.value)
    return response


def connect() -> None:
    user_logged_in.connect(_signed_in)


def _signed_in(*, request: HttpRequest | None, user: User, **_: Any) -> None:
    # LocaleMiddleware has found out what the page is in. Without it pages have one language.
    if language := getattr(request, "LANGUAGE_CODE", ""):
        inbox.remember_language(user, language)
