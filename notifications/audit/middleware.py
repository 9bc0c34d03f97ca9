"""Middleware that gives each request to the audit trail, and the check that it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.utils.decorators import sync_and_async_middleware

from notifications.audit.origin import handling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


@sync_and_async_middleware
def audited(
    get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Make each request the origin of the actions in its view."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            with handling(request):
                response: HttpResponseBase = await get_response(request)
                return response

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        with handling(request):
            return get_response(request)  # type: ignore[return-value]  # Not async here.

    return handle


def check(**_: Any) -> list[CheckMessage]:
    """Warn if the middleware is not installed."""
    name = f"{__name__}.{audited.__name__}"
    if name in settings.MIDDLEWARE:
        return []
    problem = "Entries of the audit trail will have neither actor nor address."
    return [Warning(problem, hint=f'Add "{name}" to MIDDLEWARE.', id="notifications.W001")]
