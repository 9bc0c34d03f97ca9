"""Middleware that changes responses: headers of the API, and compression of pages."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.middleware.gzip import GZipMiddleware
from django.utils.decorators import sync_and_async_middleware
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from config.errors import is_api_request
from notifications.api.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


def after_response(
    change: Callable[[HttpRequest, HttpResponseBase], HttpResponseBase],
) -> Callable[[Callable[[HttpRequest], Any]], Callable[[HttpRequest], Any]]:
    """Make a middleware, sync and async, that returns `change(request, response)`."""

    @sync_and_async_middleware
    def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
        if not iscoroutinefunction(get_response):
            return lambda request: change(request, get_response(request))

        async def async_middleware(request: HttpRequest) -> HttpResponseBase:
            return change(request, await get_response(request))

        return async_middleware

    return middleware


@after_response
def never_cache_api(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Let neither browsers nor caches store a response of the API.

    It must be near the top of MIDDLEWARE, so that it also gets the responses of other middleware.
    """
    if is_api_request(request):
        response.headers["Cache-Control"] = "private, no-store"
    return response


@after_response
def api_method_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Replace the plain 405 of the API by a problem document.

    It must be the last of MIDDLEWARE, so that all others add their headers to the new response.
    """
    if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or not is_api_request(request):
        return response
    allowed = sorted(response["Allow"].split(", "))
    replacement = problem(
        405, _("This address only accepts %(methods)s.") % {"methods": get_text_list(allowed)}
    )
    replacement["Allow"] = ", ".join(allowed)
    return replacement


class CompressPages(GZipMiddleware):
    """Compresses only HTML: a dashboard of 75 exports shrinks to a twelfth.

    A compressed download would not match its byte ranges and its ETag, and an event of a stream
    would wait until a block is full. An attacker cannot guess a secret from the length of pages
    (BREACH), because Django masks the CSRF token of each page and GZipMiddleware adds a random
    length.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)
