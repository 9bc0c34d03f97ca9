"""What pages, the admin and the API answer alike."""

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

# A page from the browser's cache is no harm: its script catches up from the old cursor.
# What others may not see is not kept by anything between.
private = cache_control(private=True, no_cache=True)


def at_its_card(key: str) -> str:
    """The dashboard, at the card of the export with that key."""
    return f"{reverse('exports:dashboard')}#{key}"


def told_if_under_way(request: HttpRequest, export: Export, is_new: bool) -> Export:  # noqa: FBT001 - as lifecycle returns it
    """`export`, to be led to. Who asks the same again is told why it is not a new one."""
    if not is_new:
        messages.info(request, _("You already started this export."))
    return export


def over_limit(response: R, error: OverLimit) -> R:
    """Turn `response` into a refusal by a limit: 429, or 507 without room; with Retry-After."""
    response.status_code = error.status
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


_gzip = GZipMiddleware(lambda _: HttpResponse())


def compressed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Compress what `view` answers for who takes that, as `gzip_page`; but no stream.

    Django makes each block of an asynchronous one a gzip file of its own. Browsers read the
    first, and take that for all.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(request, *args, **kwargs)
        if isinstance(response, HttpResponse):
            return _gzip.process_response(request, response)
        return response

    return answer
