"""Nothing between keeps an answer of the API, and neither does a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


@sync_and_async_middleware
def keep_no_api_answer(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Middleware: say so in every answer below the API's address, of any status.

    Among the first, so that it sees what others answer in the place of a view.
    """
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _marked(request, await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _marked(request, get_response(request))

    return answer


def _marked(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if request.path.startswith(reverse("api:api-root")):
        response.headers["Cache-Control"] = "private, no-store"
    return response
