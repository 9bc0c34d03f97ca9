"""The HTTP API of exports. It returns each export as JSON, with links into the API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003 - ninja reads the annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase  # noqa: TC002 - ninja reads the annotations
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.vary import vary_on_headers
from ninja import Query, Router, Status
from ninja.decorators import decorate_view

from exports import lifecycle
from exports.access import listed, may_change, own_and_shared, visible_to
from exports.api.schemas import ExporterOut, ExportIn, ExportPage, Limited, LogIn, LogPage, Page
from exports.exceptions import NotPermitted
from exports.exporters import registry
from exports.files.download import file_response
from exports.http import compressed
from exports.log import read
from exports.models import Export, Format
from exports.serialize import ExportOut
from exports.spec import context, options
from exports.spec import filters as spec_filters
from exports.spec.rights import check_download
from exports.spec.spec import build_spec
from notifications.api.problems import Problem, invalid_cursor
from notifications.http import user_of
from notifications.streams.access import teams_of
from notifications.streams.cursor import Cursor

if TYPE_CHECKING:
    from exports.exporters import Exporter

logger = logging.getLogger(__name__)

router = Router(tags=["exports"])

# The error responses in the OpenAPI document, by kind of request.
ERRORS_LIST = frozenset({401})
ERRORS_READ = frozenset({401, 404})
ERRORS_CHANGE = frozenset({401, 403, 404, 409})
ERRORS_CREATE = frozenset({401, 403, 422})
ERRORS_FILE = frozenset({401, 403, 404, 410, 503})
ERRORS_LIMIT = frozenset({429, 507})

STARTED = {200: ExportOut, 202: ExportOut, ERRORS_LIMIT: Limited}


@router.get(
    "/exporters",
    response={200: list[ExporterOut], ERRORS_LIST: Problem},
    summary="List the exporters you can use",
)
def list_exporters(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "name": exporter.name,
            "label": str(exporter.label),
            "description": str(exporter.description),
            "columns": [column.name for column in exporter.all_columns()],
            "filters": _filters(exporter, request),
            "formats": [
                {"name": name, "label": label, "options": options.describe(name)}
                for name, label in Format.choices
            ],
        }
        for exporter in registry.available(request.user)
    ]


def _filters(exporter: Exporter, request: HttpRequest) -> list[str]:
    """Return the names of the exporter's filters; none if its FilterSet raises an error."""
    try:
        return sorted(spec_filters.filter_names(exporter, request))
    # The project's code may raise any error. One exporter must not hide the others.
    except Exception:
        logger.exception("Could not create the FilterSet of the exporter %s.", exporter.name)
        return []


@router.post(
    "/exports",
    response={**STARTED, ERRORS_CREATE: Problem},
    summary="Start an export",
)
def create_export(request: HttpRequest, body: ExportIn, response: HttpResponse) -> Any:
    """Return 202 and the new export; or 200 and your active export with the same settings."""
    spec = build_spec(user_of(request), context=context.capture(request), **body.dict())
    return _started(request, response, *lifecycle.start(spec))


@router.get(
    "/exports",
    response={200: ExportPage, frozenset({401, 422}): Problem},
    summary="List your exports and those shared with your teams, newest first",
)
def list_exports(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    user = user_of(request)
    found = listed(own_and_shared(user, list(teams_of(user))))
    if page.status:
        found = found.filter(status=page.status)
    items = found[page.offset : page.offset + page.limit]
    return {"count": found.count(), "items": [_state(export) for export in items]}


@router.get(
    "/exports/{uuid:export_id}",
    response={200: ExportOut, ERRORS_READ: Problem},
    url_name="get_export",
    summary="Get an export",
)
def get_export(request: HttpRequest, export_id: UUID) -> ExportOut:
    return _state(_visible(request, export_id))


@router.post(
    "/exports/{uuid:export_id}/cancel",
    response={202: ExportOut, ERRORS_CHANGE: Problem},
    summary="Cancel an export",
)
def cancel_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _changeable(request, export_id)
    lifecycle.cancel(export, by=user_of(request))
    return Status(202, _state(export))


@router.post(
    "/exports/{uuid:export_id}/pause",
    response={202: ExportOut, ERRORS_CHANGE: Problem},
    summary="Pause an export and keep its finished parts",
)
def pause_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _changeable(request, export_id)
    lifecycle.pause(export, by=user_of(request))
    return Status(202, _state(export))


@router.post(
    "/exports/{uuid:export_id}/resume",
    response={202: ExportOut, ERRORS_CHANGE: Problem},
    summary="Resume a paused export",
)
def resume_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _changeable(request, export_id)
    lifecycle.resume(export, by=user_of(request))
    return Status(202, _state(export))


@router.post(
    "/exports/{uuid:export_id}/retry",
    response={**STARTED, ERRORS_CHANGE: Problem, 422: Problem},
    summary="Retry a failed or cancelled export",
)
def retry_export(request: HttpRequest, export_id: UUID, response: HttpResponse) -> Any:
    """Start a new export with the same settings, for the same owner. See "Start an export"."""
    export = _changeable(request, export_id)
    return _started(request, response, *lifecycle.retry(export, by=user_of(request)))


@router.post(
    "/exports/{uuid:export_id}/again",
    response={**STARTED, ERRORS_CHANGE: Problem, 422: Problem},
    summary="Run a finished export again",
)
def run_export_again(request: HttpRequest, export_id: UUID, response: HttpResponse) -> Any:
    """Start a new export with the same settings, for the same owner. See "Start an export"."""
    export = _changeable(request, export_id)
    return _started(request, response, *lifecycle.run_again(export, by=user_of(request)))


# HEAD returns the length, name and checksum.
@router.api_operation(["HEAD"], "/exports/{uuid:export_id}/file", include_in_schema=False)
@router.get(
    "/exports/{uuid:export_id}/file",
    response={frozenset({200, 206, 302, 304, 412, 416}): None, ERRORS_FILE: Problem},
    url_name="get_file",
    summary="Download the file, or a range of it",
)
def get_file(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    export = _visible(request, export_id)
    # The user may have lost the right to run the exporter since the export started.
    check_download(user_of(request), export)
    return file_response(request, export)


@router.get(
    "/exports/{uuid:export_id}/log",
    response={200: LogPage, frozenset({401, 404, 422}): Problem},
    url_name="get_log",
    summary="Get the log: pages of lines, or the full text",
    openapi_extra={"responses": {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}},
)
@decorate_view(compressed, vary_on_headers("Accept"))
def get_log(request: HttpRequest, export_id: UUID, page: Query[LogIn]) -> Any:
    """Return a page of lines, or the full log if `Accept` prefers `text/plain`."""
    export = _visible(request, export_id)
    if request.get_preferred_type(["application/json", read.TEXT]) == read.TEXT:
        return read.text_response(request, export)
    try:
        after = None if page.after is None else Cursor.parse(page.after)
    except ValueError:
        return invalid_cursor(str(page.after))
    found = read.page(export, after, page.limit)
    return {
        "stream": export.stream,
        "cursor": str(found.end),
        "reset": found.reset,
        "more": found.more,
        "lines": [
            {**item.data, "offset": item.position.offset, "at": item.at} for item in found.items
        ],
    }


def _started(
    request: HttpRequest,
    response: HttpResponse,
    export: Export,
    created: bool,  # noqa: FBT001 - as `lifecycle.start` returns it
) -> Any:
    url = reverse("api:get_export", args=[export.pk])
    response["Location"] = request.build_absolute_uri(url)
    return Status(202 if created else 200, _state(export))


def _state(export: Export) -> ExportOut:
    # Links into the API, because a client with a token has no session for the pages.
    return ExportOut.of(export, routes=("api:get_export", "api:get_file"))


def _visible(request: HttpRequest, export_id: UUID) -> Export:
    """Return the export. For a hidden export, raise the same Http404 as for an unknown id."""
    export = visible_to(user_of(request)).filter(pk=export_id).first()
    if export is None:
        raise Http404(gettext("There is no export %(id)s.") % {"id": export_id})
    return export


def _changeable(request: HttpRequest, export_id: UUID) -> Export:
    export = _visible(request, export_id)
    if not may_change(user_of(request), export):
        raise NotPermitted(gettext("You can view this export but not change it."))
    return export
