"""The API: the routers of both apps, with the same form of errors. OpenAPI documents it."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http.multipartparser import MultiPartParserError
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI

import exports.api.errors
import exports.api.routes
import notifications.delivery.http_streams
import notifications.inbox.api
from notifications.api import problems
from notifications.api.auth import Authenticate
from notifications.protocol import schema

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from ninja.openapi.schema import OpenAPISchema

logger = logging.getLogger("django.request")  # Where Django reports errors of views.


class API(NinjaAPI):
    """A NinjaAPI that responds to unknown paths with a problem document, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._schemas: dict[str, OpenAPISchema] = {}

    def get_openapi_schema(self, **path: Any) -> OpenAPISchema:
        """Return the OpenAPI document for a path prefix. It is generated only once.

        Generating it takes a tenth of a second, and anybody may request it.
        """
        key = path.get("path_prefix") or self.get_root_path(path.get("path_params") or {})
        if key not in self._schemas:
            self._schemas[key] = _with_problem_media_type(
                super().get_openapi_schema(path_prefix=key)
            )
        return self._schemas[key]

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        patterns, app_name, namespace = super().urls
        # The first pattern replaces Ninja's root, which would respond with a page.
        patterns = [path("", _unknown_path), *patterns, path("<path:_path>", _unknown_path)]
        return patterns, app_name, namespace


def _with_problem_media_type(document: OpenAPISchema) -> OpenAPISchema:
    """Set the media type of errors in `document`. Ninja assumes plain JSON."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= HTTPStatus.BAD_REQUEST and (content := response.get("content")):
                    response["content"] = {problems.MEDIA_TYPE: content["application/json"]}
    return document


@csrf_exempt
def _unknown_path(_request: HttpRequest, **_path: str) -> HttpResponse:
    return problems.problem(404, _("Nothing was found at this address."))


api = API(
    title="Waybill",
    version="1",
    # The links are relative to the documentation page, /api/docs.
    description="Background data exports with live, loss-free progress.\n\nThe WebSocket is"
    " described by an [AsyncAPI document](asyncapi.json), and its frames by a"
    " [JSON Schema](frames.schema.json).",
    auth=Authenticate(),
    urls_namespace="api",
    docs_url="/docs",
    openapi_url="/openapi.json",
)
problems.install(api)
exports.api.errors.install(api)
api.add_router("/v1/", exports.api.routes.router)
api.add_router("/v1/", notifications.delivery.http_streams.router)
api.add_router("/v1/", notifications.inbox.api.router)


@api.get("/asyncapi.json", auth=None, include_in_schema=False)
def asyncapi(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - ninja's signature
    """Return the AsyncAPI document of the WebSocket."""
    return schema.asyncapi()


@api.get("/frames.schema.json", auth=None, include_in_schema=False)
def frames(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001 - ninja's signature
    return schema.frames()


@api.exception_handler(Exception)
def internal_error(request: HttpRequest, error: Exception) -> HttpResponse:
    """Log an unexpected error as Django does for any view. The client gets no details."""
    if isinstance(error, (SuspiciousOperation, BadRequest, MultiPartParserError)):
        raise error  # Django logs it, and calls `errors.bad_request`.
    got_request_exception.send(sender=None, request=request)
    logger.error(
        "Internal Server Error: %s",
        request.path,
        exc_info=error,
        extra={"status_code": 500, "request": request},
    )
    return problems.problem(
        500, _("Something went wrong on the server. The error has been logged.")
    )
