"""HTTP helpers for the views of pages and of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.http import HttpResponseRedirect
from django.urls import get_script_prefix, set_script_prefix
from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.http import HttpRequest


P = ParamSpec("P")
T = TypeVar("T")


class WithoutNul(MiddlewareMixin):
    """Middleware that replaces a NUL in a URL by U+FFFD, so that the URL matches no row.

    PostgreSQL refuses a query with a NUL. Change lists of the admin pass the parameters of their
    URL to the database, so they would respond with an error 500. A NUL in a body needs no
    replacement: our forms and the API refuse it, and in an admin action it is an invalid key like
    any other.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.path = request.path.replace("\0", "\ufffd")
        request.path_info = request.path_info.replace("\0", "\ufffd")
        query = request.META.get("QUERY_STRING", "")
        request.META["QUERY_STRING"] = query.replace("%00", "%EF%BF%BD")


class SeeOther(HttpResponseRedirect):
    """A redirect after a POST: the browser requests the page with GET."""

    status_code = 303


def disable_compression(request: HttpRequest) -> None:
    """Keep middleware such as GZipMiddleware from compressing the response to `request`.

    A compressed download would not match the length and the ranges in its headers, so a browser
    might take a part for the whole. Events would wait in the compressor until a block is full. All
    such middleware reads Accept-Encoding, so this function removes that header from the request.
    """
    request.META.pop("HTTP_ACCEPT_ENCODING", None)
    # Django caches `headers`, which it builds from META.
    request.__dict__.pop("headers", None)


def with_script_prefix(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap `function`, so that it uses the script prefix of this thread in another thread, too.

    Django stores the prefix per thread. Without it, links would lack FORCE_SCRIPT_NAME.
    """
    prefix = get_script_prefix()

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        set_script_prefix(prefix)
        return function(*args, **kwargs)

    return call


def user_of(request: HttpRequest) -> User:
    """Return the signed-in user. Only for views that require a sign-in."""
    assert request.user.is_authenticated
    return request.user
