"""HTTP helpers that pages, the admin and the API share."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import messages
from django.http import HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from exports.exceptions import OverLimit
    from exports.models import Export

R = TypeVar("R", bound=HttpResponse)

# A page belongs to one user, so no proxy may cache it. The browser may: a cached page contains a
# cursor, and its script catches up from there.
private = cache_control(private=True, no_cache=True)


def card_url(export: Export) -> str:
    """Return the URL of the dashboard, with the card of `export` as its fragment."""
    return reverse("exports:dashboard", fragment=export.key)


def flash_if_duplicate(request: HttpRequest, export: Export, created: bool) -> Export:  # noqa: FBT001 - as `lifecycle.start` returns it
    """Return `export`. Show a message on the next page if the export existed already."""
    if not created:
        messages.info(request, _("You already started this export."))
    return export


def over_limit(response: R, error: OverLimit) -> R:
    """Turn `response` into a 429, or a 507 if the site has no space, with Retry-After if known."""
    response.status_code = error.status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


_gzip = GZipMiddleware(lambda _: HttpResponse())


def compressed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Compress the response of `view` like `gzip_page`, unless it is a stream.

    Django compresses each block of an asynchronous stream as a gzip file of its own. Browsers
    read only the first.
    """

    @wraps(view)
    def compressed_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(request, *args, **kwargs)
        if isinstance(response, HttpResponse):
            return _gzip.process_response(request, response)
        return response

    return compressed_view
