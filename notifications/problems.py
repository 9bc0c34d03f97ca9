"""Errors of the API as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpResponse
from ninja import Schema
from ninja.errors import HttpError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest
    from ninja import NinjaAPI


class Problem(Schema):
    """What was wrong, in words that name the remedy. `field`: where in the request."""

    type: str
    title: str
    status: int
    detail: str
    field: str = ""


def problem(status: int, detail: str, **more: Any) -> HttpResponse:
    """A response that says what was wrong. `more` are further members, such as `field`."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return HttpResponse(json.dumps(body), status=status, content_type="application/problem+json")


def install(api: NinjaAPI) -> None:
    """Answer the framework's own errors in this form."""
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, _not_found)


def _invalid(_: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    assert isinstance(error, ValidationError)
    errors = [{"field": _field(each["loc"]), "detail": each["msg"]} for each in error.errors]
    first = errors[0]
    return problem(422, f"{first['field']}: {first['detail']}", field=first["field"], errors=errors)


def _field(location: Sequence[str | int]) -> str:
    """Where in the request: ("body", <the view's argument>, "columns", 0) -> "columns.0"."""
    where, *names = location
    if where == "body":
        names = names[1:]
    return ".".join(str(name) for name in names) or str(where)


def _http_error(_: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    assert isinstance(error, HttpError)
    # ninja answers a body that is not JSON with 400. It is as wrong as a wrong field.
    status = 422 if "parse request body" in error.message else error.status_code
    return problem(status, error.message)


def _not_found(_: HttpRequest, error: Http404 | type[Http404]) -> HttpResponse:
    return problem(404, str(error) if str(error) else "There is nothing here.")
