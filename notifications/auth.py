"""Who calls the API: a browser with its session, or a program with a bearer token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_noop
from ninja.errors import AuthenticationError, AuthorizationError
from ninja.security import HttpBearer
from ninja.utils import check_csrf

from notifications import tokens
from notifications.audit import attempts
from notifications.audit.actions import Action
from notifications.audit.record import About

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest


class Authenticate(HttpBearer):
    """Sets `request.user`. Nobody: 401. A session without its CSRF token: 403.

    `problems` says why, in the language of who asks.
    """

    def __call__(self, request: HttpRequest) -> User:
        if "Authorization" in request.headers:
            scheme, _, token = request.headers["Authorization"].partition(" ")
            if scheme.lower() == "bearer" and (user := self.authenticate(request, token)):
                return user
            attempts.refused(Action.TOKEN_REFUSED, About("token"), request)
            raise AuthenticationError(message=gettext_noop("The bearer token is not valid."))
        if not request.user.is_authenticated:
            raise AuthenticationError(message=gettext_noop("Sign in, or send a bearer token."))
        # A token that a page of another site cannot have is what a session needs besides.
        if check_csrf(request) is not None:
            raise AuthorizationError(
                message=gettext_noop("Send the CSRF token in the header X-CSRFToken.")
            )
        return request.user

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = tokens.user_of(token)
        if user is not None:
            request.user = user
        return user
