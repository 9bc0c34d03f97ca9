"""Who calls the API: a browser with its session, or a program with a bearer token."""

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
    """Sets `request.user`. Nobody: 401. A session without its CSRF token: 403.

    A token that may only read gets a 403 for methods that are not safe. `problems` translates
    the reason for the client.
    """

    openapi_description = (
        "A token that `manage.py create_token` has made. It expires, and ends with the password "
        "of its user. One that may only read is refused (403) where something would be started "
        "or changed."
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
        # A token that a page of another site cannot have is what a session needs besides.
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
        # The only check of the scope. It is enough, because no GET starts, changes or deletes anything.
        if found.scope != TokenScope.FULL and request.method not in SAFE_METHODS:
            raise AuthorizationError(
                message=gettext_noop(
                    "This token may only read: it can follow and download, and change nothing."
                )
            )
        request.user = found.user
        return found.user
