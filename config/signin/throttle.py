"""Limit failed sign-ins: django-axes with a limit for each of three counts.

- 5 for a name and an address together. This affects only the user who mistypes a password.
- 30 for an address. This stops an attacker who tries many names, but not an office with one
address.
- 50 for a name, from all addresses. This slows an attacker with many addresses. Addresses from
which
  the user has signed in within 30 days are exempt, so nobody can lock users out of the places
  where they work.

A count is reset after 15 minutes without another failure. Attempts during a lock are not counted,
so nobody can prolong it, and they run no password hasher.
"""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.db.models import Max, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config import errors
from config.signin import notice
from config.signin.limits import COOL_OFF, LIMITS, PAIR_FAILURES
from notifications.client_address import client_address, network_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

KNOWN_FOR = timedelta(days=30)  # An address is known for this time after a successful sign-in.


class Count(NamedTuple):
    failures: int
    limit: int
    newest: datetime | None


class Backend(AxesStandaloneBackend):  # type: ignore[misc]
    """Refuses locked-out clients before any other backend runs a password hasher.

    A program that checks a password without a request has no address, so it is not throttled.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> None:
        if request is not None:
            super().authenticate(request, username, password, **kwargs)


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """Gives each count of Axes its own limit, logs failures and notifies users."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the count that is nearest to its limit, scaled to the only limit of Axes."""
        return max(
            count.failures * PAIR_FAILURES // count.limit
            for count in self._counts(request, credentials)
        )

    def retry_after(self, request: HttpRequest, credentials: dict[str, Any] | None) -> int:
        """Return the seconds until the client may try again."""
        ends = [
            (count.newest + COOL_OFF - timezone.now()).total_seconds()
            for count in self._counts(request, credentials)
            if count.newest is not None and count.failures >= count.limit
        ]
        return max(1, math.ceil(max(ends, default=0)))

    def user_login_failed(
        self,
        sender: str,
        credentials: dict[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        if request is None:
            return
        _forget_browser(request)
        was_locked = getattr(request, "axes_locked_out", False)
        super().user_login_failed(sender, credentials, request, **kwargs)
        if was_locked:
            return  # This attempt is not counted. The lock was logged when it began.
        name, address = get_client_username(request, credentials) or "", client_address(request)
        # repr() escapes control characters and characters that change the direction of text.
        logger.warning("Sign-in failed: name %r, address %s.", name[:150], address)
        if getattr(request, "axes_locked_out", False):
            logger.warning(
                "Sign-in is locked for %.0f minutes: name %r, address %s.",
                COOL_OFF.total_seconds() / 60,
                name[:150],
                address,
            )
        notice.failed(name, address)

    def user_logged_in(
        self, sender: type[User], request: HttpRequest, user: User, **kwargs: Any
    ) -> None:
        _forget_browser(request)
        super().user_logged_in(sender, request, user, **kwargs)
        notice.signed_in(user)

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Delete only the failures of this name together with this address.

        Otherwise attackers could reset the count of their address with an account of their own.
        """
        deleted, _per_model = self.filter_user_attempts(request, credentials)[0].delete()
        return int(deleted)

    def _counts(self, request: HttpRequest, credentials: dict[str, Any] | None) -> Iterator[Count]:
        attempts = self.get_user_attempts(request, credentials)
        for (counted, limit), found in zip(LIMITS, attempts, strict=True):
            sums = found.aggregate(n=Sum("failures_since_start"), newest=Max("attempt_time"))
            failures = sums["n"] or 0
            if counted == "username" and failures >= limit and _is_known(request, credentials):
                failures = 0
            yield Count(failures, limit, sums["newest"])


def prune() -> None:
    """Delete rows of django-axes that no longer count. Safe to run twice at once."""
    now = timezone.now()
    for model, age in (
        (AccessAttempt, COOL_OFF),
        (AccessFailureLog, notice.KEPT),
        (AccessLog, KNOWN_FOR),
    ):
        model.objects.filter(attempt_time__lt=now - age).delete()


def _forget_browser(request: HttpRequest) -> None:
    """Hide headers of the client's choice, because Axes would store a row for each new value."""
    request.axes_user_agent = request.axes_http_accept = ""  # type: ignore[attr-defined]


def _is_known(request: HttpRequest, credentials: dict[str, Any] | None) -> bool:
    """Return whether the named user has recently signed in from the client's address."""
    known: bool = AccessLog.objects.filter(
        username=get_client_username(request, credentials),
        ip_address=client_network(request),
        attempt_time__gte=timezone.now() - KNOWN_FOR,
    ).exists()
    return known


def client_network(request: HttpRequest) -> str | None:
    """Return the client's IPv4 address or IPv6 network. The setting AXES_CLIENT_IP_CALLABLE."""
    return network_of(client_address(request))


def locked_out(request: HttpRequest, *_given: Any) -> HttpResponse:
    """Return a page that says when to try again. The setting AXES_LOCKOUT_CALLABLE."""
    handler = AxesProxyHandler.get_implementation()
    # Axes passes the credentials, too, but under ASGI in the wrong position.
    credentials = getattr(request, "axes_credentials", None)
    seconds = handler.retry_after(request, credentials)
    minutes = math.ceil(seconds / 60)
    reason = ngettext(
        "Too many failed sign-in attempts. Try again in %(minutes)s minute.",
        "Too many failed sign-in attempts. Try again in %(minutes)s minutes.",
        minutes,
    ) % {"minutes": minutes}
    response = errors.error_response(request, 429, _("Too many attempts"), reason)
    response.headers["Retry-After"] = str(seconds)
    return response
