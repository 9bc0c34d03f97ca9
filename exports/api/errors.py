"""Errors of `spec`, `lifecycle` and `files` as problem+json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exports.exceptions import IllegalMove, NotPermitted, OverLimit, RequestError
from exports.files.download import NoFile
from exports.http import over_limit
from notifications.api.problems import problem

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from ninja import NinjaAPI


def install(api: NinjaAPI) -> None:
    """Let `api` respond to each of these errors with a problem that has its message."""

    @api.exception_handler(RequestError)
    def bad_request(_: HttpRequest, error: RequestError) -> HttpResponse:
        return problem(422, error.localized(), field=error.field)

    @api.exception_handler(NotPermitted)
    def not_permitted(_: HttpRequest, error: NotPermitted) -> HttpResponse:
        return problem(403, error.localized())

    @api.exception_handler(IllegalMove)
    def illegal_move(_: HttpRequest, error: IllegalMove) -> HttpResponse:
        return problem(409, error.localized())

    @api.exception_handler(OverLimit)
    def too_many(_: HttpRequest, error: OverLimit) -> HttpResponse:
        response = problem(
            error.status, error.localized(), limit=error.limit, allowed=error.allowed
        )
        return over_limit(response, error)

    @api.exception_handler(NoFile)
    def no_file(_: HttpRequest, error: NoFile) -> HttpResponse:
        return problem(error.status, error.localized())
