"""Let neither browsers nor caches on the way store an answer of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware

from config.errors import is_api_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


@sync_and_async_middleware
def never_cache_api(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Add the header to every answer below the API's address, whatever its status.

    This middleware is among the first, so that it also sees answers of other middleware.
    """
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _marked(request, await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _marked(request, get_response(request))

    return answer


def _marked(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if is_api_request(request):
        response.headers["Cache-Control"] = "private, no-store"
    return response
