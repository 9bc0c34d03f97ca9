"""Let the audit trail know which request acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware

from notifications.audit.origin import answering

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


@sync_and_async_middleware
def audited(
    get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """Name `request` as the origin of all that its view does."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            with answering(request):
                response: HttpResponseBase = await get_response(request)
                return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        with answering(request):
            return get_response(request)  # type: ignore[return-value]  # Not awaitable here.

    return answer
