"""Errors of the API as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Schema
from ninja.errors import HttpError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest
    from ninja import NinjaAPI

# Our texts for the types of pydantic's errors that our schemas can cause. Other types keep
# pydantic's English text.
PYDANTIC_MESSAGES = {
    "missing": gettext_noop("This field is required"),
    "extra_forbidden": gettext_noop("This field is not known"),
    "string_type": gettext_noop("Must be a string"),
    "string_too_long": gettext_noop("Must have at most %(max_length)s characters"),
    "string_pattern_mismatch": gettext_noop("Must match the pattern '%(pattern)s'"),
    "int_type": gettext_noop("Must be an integer"),
    "int_parsing": gettext_noop("Must be an integer; this text is not one"),
    "int_parsing_size": gettext_noop("This integer has too many digits"),
    "int_from_float": gettext_noop("Must be an integer; this number has a fractional part"),
    "float_parsing": gettext_noop("Must be a number; this text is not one"),
    "greater_than_equal": gettext_noop("Must be at least %(ge)s"),
    "less_than_equal": gettext_noop("Must be at most %(le)s"),
    "list_type": gettext_noop("Must be a list"),
    "dict_type": gettext_noop("Must be an object"),
    "model_attributes_type": gettext_noop("Must be a JSON object"),
    "literal_error": gettext_noop("Must be one of: %(expected)s"),
    "enum": gettext_noop("Must be one of: %(expected)s"),
}
# Errors in one response, and characters of a field's name. A response must not repeat a large
# request.
MAX_ERRORS = 20
MAX_FIELD_LENGTH = 200
MEDIA_TYPE = "application/problem+json"
NO_JSON = gettext_noop("Cannot parse request body")


class Problem(Schema):
    """An error and how to fix it. `field` names the part of the request that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    field: str = ""


class RetryLaterError(HttpError):
    """A refusal that names the seconds after which the client should try again."""

    def __init__(self, status: int, message: str, seconds: int) -> None:
        super().__init__(status, message)
        self.seconds = seconds


def problem(status: int, detail: str, **more: Any) -> HttpResponse:
    """Return a problem response. `more` has further members of the document, such as `field`."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return HttpResponse(json.dumps(body), status=status, content_type=MEDIA_TYPE)


def invalid_cursor(text: str) -> HttpResponse:
    """Return the response to a request whose `after` is not a valid cursor."""
    detail = _('"%(text)s" is not a valid cursor. Use one that the server sent.') % {
        "text": text[:80]
    }
    return problem(422, detail, field="after")


def install(api: NinjaAPI) -> None:
    """Convert the framework's errors to problem responses."""
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, _not_found)


def _invalid(_request: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    assert isinstance(error, ValidationError)
    errors = [
        {"field": _field(each["loc"]), "detail": _localized_message(each)}
        for each in error.errors[:MAX_ERRORS]  # A body may have thousands of unknown fields.
    ]
    first = errors[0]
    return problem(422, f"{first['field']}: {first['detail']}", field=first["field"], errors=errors)


def _localized_message(error: dict[str, Any]) -> str:
    """Return the text in the language of the request, or pydantic's text for an unknown type."""
    if (text := PYDANTIC_MESSAGES.get(error["type"])) is None:
        return str(error["msg"])
    values = {name: str(value) for name, value in error.get("ctx", {}).items()}
    # Pydantic writes "'a', 'b' or 'c'", and "or" would need a translation.
    values["expected"] = values.get("expected", "").replace(" or ", ", ")
    return _(text) % values


def _field(location: Sequence[str | int]) -> str:
    """Return a field's path: ("body", <argument of the view>, "columns", 0) -> "columns.0"."""
    where, *names = location
    if where == "body":
        names = names[1:]
    return ".".join(str(name) for name in names)[:MAX_FIELD_LENGTH] or str(where)


def _http_error(_request: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    assert isinstance(error, HttpError)
    # Ninja responds with 400 to a body that is not JSON, and adds the reason while DEBUG is on. We
    # use 422, as for an invalid field.
    if error.message.startswith(NO_JSON):
        return problem(422, _(NO_JSON) + error.message.removeprefix(NO_JSON))
    # Translated here, because the error may come from a thread without an active language.
    response = problem(error.status_code, _(error.message))
    if isinstance(error, RetryLaterError):
        response["Retry-After"] = str(error.seconds)
        # Django would log each refusal. `delivery.connections` logs one a minute.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _not_found(_request: HttpRequest, error: Http404 | type[Http404]) -> HttpResponse:
    return problem(404, str(error) if str(error) else _("Nothing was found at this address."))
