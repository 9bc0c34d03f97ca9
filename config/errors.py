"""Pages for the statuses 400, 403, 404 and 500, and problem documents for the API.

They read nothing from the database, neither the user nor the bell. So they cost little, and work
while the database is down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.context_processors import csrf
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token

from exports.i18n.numbers import number
from notifications.api.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

P = ParamSpec("P")
UNREADABLE = (BadRequest, MultiPartParserError, SuspiciousOperation, UnreadablePostError)


def _with_csrf_token(
    page: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Apply Django's `requires_csrf_token`, also to a request whose form cannot be read.

    Django first looks for the token in the form. If the form cannot be read, Django would make a
    page for that error as well, once for each middleware.
    """
    with_token: Callable[Concatenate[HttpRequest, P], HttpResponse] = requires_csrf_token(page)

    def view_with_token(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            request.POST  # noqa: B018 - the first access reads the form
        except UNREADABLE:
            # Django does this for only some of these errors.
            request._mark_post_parse_error()  # type: ignore[attr-defined]
        return with_token(request, *args, **kwargs)

    return view_with_token


@_with_csrf_token
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Explain why Django has refused a request before it reached a view."""
    if isinstance(exception, RequestDataTooBig):
        reason = _(
            "This request is larger than the limit of %(allowed)s bytes. An "
            "administrator can raise the limit: DATA_UPLOAD_MAX_MEMORY_SIZE."
        )
        allowed = number(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        return error_response(request, 413, _("Too large"), reason % {"allowed": allowed})
    if isinstance(exception, TooManyFieldsSent):
        reason = _(
            "This form has too many fields. An administrator can raise the limit: "
            "DATA_UPLOAD_MAX_NUMBER_FIELDS."
        )
    else:
        reason = _("The server could not read this request. Nothing was changed.")
    return error_response(request, 400, _("Bad request"), reason)


@_with_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    default = _("You do not have permission to do this. Ask an administrator for access.")
    return error_response(request, 403, _("Access denied"), str(exception) or default)


def disabled_view(request: HttpRequest, **path: str) -> HttpResponse:  # noqa: ARG001 - a view's
    """Raise Http404 in place of a view of Django that this site does not offer."""
    raise Http404


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - see below
    """Refuse a form without its CSRF token. Django logs `reason`, which is for developers."""
    text = _(
        "This form has expired, or your browser blocks cookies. "
        "Go back, reload the page and try again."
    )
    return error_response(request, 403, _("Access denied"), text)


@_with_csrf_token
def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    reason = _(
        "This page was not found. It may have been deleted, or you may not have access to it."
    )
    return error_response(request, 404, _("Not found"), reason)


@_with_csrf_token
def server_error(request: HttpRequest) -> HttpResponse:
    reason = _(
        "An error occurred on our side and has been logged. Running exports are not affected."
    )
    return error_response(request, 500, _("Something went wrong"), reason)


def is_api_request(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("api:api-root"))


def error_response(request: HttpRequest, status: int, title: str, reason: str) -> HttpResponse:
    """Return a page with `reason`; for a request to the API, return a problem document."""
    if is_api_request(request):
        return problem(status, reason)
    # render(request, ...) would run the context processors, and base.html would then read the
    # user and the bell from the database.
    context = {"request": request, "title": title, "reason": reason, **csrf(request)}
    return HttpResponse(render_to_string("error.html", context), status=status)
