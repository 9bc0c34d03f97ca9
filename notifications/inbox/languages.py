"""The language of a user's e-mails: the language in which they last used the pages.

E-mails are sent without a request, so the language is stored: when a user signs in, when they
choose a language, and when they choose their e-mails (`inbox.choose_mailing`).
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
    """Call Django's view, and store the language for the e-mails of a signed-in user."""
    response = i18n.set_language(request)
    # Django sets the cookie only for a language of this site.
    chosen = response.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    if chosen is not None and request.user.is_authenticated:
        inbox.remember_language(request.user, chosen.value)
    return response


def connect() -> None:
    user_logged_in.connect(_signed_in)


def _signed_in(*, request: HttpRequest | None, user: User, **_: Any) -> None:
    # LocaleMiddleware sets the attribute. Without this middleware, all pages have the same
    # language.
    if language := getattr(request, "LANGUAGE_CODE", ""):
        inbox.remember_language(user, language)
