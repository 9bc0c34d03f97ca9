"""What views of pages and of the API share: what is asked, by whom, and where a POST leads."""

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
    """Read a NUL in an address as U+FFFD, as logs do: then it names what does not exist.

    PostgreSQL refuses a question with one in it, and lists of the admin, Django's own too, pass
    on what their address says. Our forms and the API refuse it themselves; the form of an
    admin's action, which is Django's, fails on it as on any key that cannot be.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.path = request.path.replace("\0", "\ufffd")
        request.path_info = request.path_info.replace("\0", "\ufffd")
        query = request.META.get("QUERY_STRING", "")
        request.META["QUERY_STRING"] = query.replace("%00", "%EF%BF%BD")


class SeeOther(HttpResponseRedirect):
    """After a POST: get that page."""

    status_code = 303


def never_compressed(request: HttpRequest) -> None:
    """Let no middleware compress the answer to `request`, as GZipMiddleware does with any stream.

    A compressed download has neither the length nor the ranges that its headers name, so a
    browser keeps a part of it for the whole; and events would wait until a block is full. All
    such middleware asks which encodings the client accepts.
    """
    request.META.pop("HTTP_ACCEPT_ENCODING", None)
    # Made of META when it was first read.
    request.__dict__.pop("headers", None)


def with_script_prefix(function: Callable[P, T]) -> Callable[P, T]:
    """`function` for another thread, with the path of the site that this one knows.

    Django keeps it for each thread: links that another one makes would lack FORCE_SCRIPT_NAME.
    """
    prefix = get_script_prefix()

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        set_script_prefix(prefix)
        return function(*args, **kwargs)

    return call


def user_of(request: HttpRequest) -> User:
    """Who is signed in. Only for views that nobody else reaches."""
    assert request.user.is_authenticated
    return request.user
