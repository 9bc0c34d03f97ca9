"""Authenticate the caller of the API: a browser by its session, a program by a bearer token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_noop
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer
from ninja.utils import check_csrf

from notifications.api import known_users, tokens
from notifications.api.credentials import credentials_of
from notifications.audit import attempts
from notifications.audit.record import About
from notifications.audit_actions import Action
from notifications.models import TokenScope

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest


SAFE_METHODS = frozenset({"GET", "HEAD"})


class Authenticate(HttpBearer):
    """Set `request.user`, or refuse the request.

    Without valid credentials the response is 401, and for a session without its CSRF token 403. A
    read-only token gets 403 for unsafe methods. `problems` translates the messages for the client.
    """

    openapi_description = (
        "A token from `manage.py create_token`. It is valid until it expires or its user changes "
        "their password. Requests that start or change something are refused with 403 if the "
        "token is read-only."
    )

    def __call__(self, request: HttpRequest) -> User:
        user = self._identify(request)
        known_users.remember(credentials_of(request), user.pk)
        return user

    def _identify(self, request: HttpRequest) -> User:
        if "Authorization" in request.headers:
            scheme, _, token = request.headers["Authorization"].partition(" ")
            return self.authenticate(request, token if scheme.lower() == "bearer" else "")
        if not request.user.is_authenticated:
            raise AuthenticationError(message=gettext_noop("Sign in, or send a bearer token."))
        # A browser sends the session cookie with requests of other sites, too. Those sites do not
        # have the CSRF token.
        if check_csrf(request) is not None:
            raise AuthorizationError(
                message=gettext_noop("Send the CSRF token in the header X-CSRFToken.")
            )
        return request.user

    def authenticate(self, request: HttpRequest, token: str) -> User:
        try:
            found = tokens.find(token)
        except tokens.InvalidToken as error:
            attempts.record_refused(Action.TOKEN_REFUSED, About("token"), request)
            raise AuthenticationError(message=str(error)) from error
        # This is the only check of the scope. No GET request starts, changes or deletes anything.
        if found.scope != TokenScope.FULL and request.method not in SAFE_METHODS:
            raise AuthorizationError(
                message=gettext_noop(
                    "This token is read-only. It can follow streams and download files, but it "
                    "cannot change anything."
                )
            )
        request.user = found.user
        return found.user
