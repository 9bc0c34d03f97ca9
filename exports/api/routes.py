"""The HTTP API of exports. Every export is answered as its snapshot, with links into the API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003 - ninja reads the annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase  # noqa: TC002 - ninja reads the annotations
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.vary import vary_on_headers
from ninja import Query, Router
from ninja import Status as Answer
from ninja.decorators import decorate_view

from exports import lifecycle
from exports.access import listed, may_change, own_and_shared, visible_to
from exports.api.schemas import (
    ExporterOut,
    ExportIn,
    ExportOut,
    ExportPage,
    Limited,
    LogIn,
    LogPage,
    Page,
)
from exports.exceptions import NotPermitted
from exports.exporters import registry
from exports.files.download import file_response
from exports.http import compressed
from exports.log import read
from exports.models import Export, Format
from exports.serialize import snapshot
from exports.spec import context, options
from exports.spec import filters as spec_filters
from exports.spec.rights import check_download
from exports.spec.spec import build_spec
from notifications.api.problems import Problem, invalid_cursor
from notifications.streams.access import teams_of
from notifications.streams.cursor import Cursor

if TYPE_CHECKING:
    from exports.exporters import Exporter

logger = logging.getLogger(__name__)

router = Router(tags=["exports"])

# Which refusals there are, for the document: who, what is there, what it can do now.
WHO = frozenset({401})
WHICH = frozenset({401, 404})
WHEN = frozenset({401, 403, 404, 409})
WHAT = frozenset({401, 403, 422})
FILE = frozenset({401, 403, 404, 410, 503})
LIMITS = frozenset({429, 507})

# What a line of a log has at least.
BARE = {"level": "", "message": "", "logger": "", "worker": None, "attempt": None}


@router.get(
    "/exporters",
    response={200: list[ExporterOut], WHO: Problem},
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
                {"name": name, "label": label, "options": options.described(name)}
                for name, label in Format.choices
            ],
        }
        for exporter in registry.available(request.user)
    ]


def _filters(exporter: Exporter, request: HttpRequest) -> list[str]:
    """The names of its filters; none if its FilterSet cannot be made, which hides no other."""
    try:
        return sorted(spec_filters.filter_names(exporter, request))
    # Whatever the project's code raises there.
    except Exception:
        logger.exception("The FilterSet of the exporter %s cannot be made.", exporter.name)
        return []


@router.post(
    "/exports",
    response={200: ExportOut, 202: ExportOut, WHAT: Problem, LIMITS: Limited},
    summary="Start an export",
)
def create_export(request: HttpRequest, body: ExportIn, response: HttpResponse) -> Any:
    """Return 202 and the new export; or 200 and your active export with the same settings."""
    user: Any = request.user
    spec = build_spec(user, context=context.capture(request), **body.dict())
    return _started(request, response, *lifecycle.start(spec))


@router.get(
    "/exports",
    response={200: ExportPage, frozenset({401, 422}): Problem},
    summary="List your exports and those shared with your teams, newest first",
)
def list_exports(request: HttpRequest, page: Query[Page]) -> dict[str, Any]:
    user: Any = request.user
    found = listed(own_and_shared(user, list(teams_of(user))))
    if page.status:
        found = found.filter(status=page.status)
    items = found[page.offset : page.offset + page.limit]
    return {"count": found.count(), "items": [_answer(export) for export in items]}


@router.get(
    "/exports/{uuid:export_id}",
    response={200: ExportOut, WHICH: Problem},
    url_name="get_export",
    summary="Get an export",
)
def get_export(request: HttpRequest, export_id: UUID) -> dict[str, Any]:
    return _answer(_visible(request, export_id))


@router.post(
    "/exports/{uuid:export_id}/cancel",
    response={202: ExportOut, WHEN: Problem},
    summary="Cancel an export",
)
def cancel_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _changeable(request, export_id)
    lifecycle.cancel(export, by=request.user)  # type: ignore[arg-type]
    return Answer(202, _answer(export))


@router.post(
    "/exports/{uuid:export_id}/pause",
    response={202: ExportOut, WHEN: Problem},
    summary="Pause an export and keep its finished parts",
)
def pause_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _changeable(request, export_id)
    lifecycle.pause(export, by=request.user)  # type: ignore[arg-type]
    return Answer(202, _answer(export))


@router.post(
    "/exports/{uuid:export_id}/resume",
    response={202: ExportOut, WHEN: Problem},
    summary="Resume a paused export",
)
def resume_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _changeable(request, export_id)
    lifecycle.resume(export, by=request.user)  # type: ignore[arg-type]
    return Answer(202, _answer(export))


@router.post(
    "/exports/{uuid:export_id}/retry",
    response={200: ExportOut, 202: ExportOut, WHEN: Problem, 422: Problem, LIMITS: Limited},
    summary="Retry a failed or cancelled export",
)
def retry_export(request: HttpRequest, export_id: UUID, response: HttpResponse) -> Any:
    """Start a new export with the same settings, for the same owner. See "Start an export"."""
    export = _changeable(request, export_id)
    asked = lifecycle.retry(export, by=request.user)  # type: ignore[arg-type]
    return _started(request, response, *asked)


@router.post(
    "/exports/{uuid:export_id}/again",
    response={200: ExportOut, 202: ExportOut, WHEN: Problem, 422: Problem, LIMITS: Limited},
    summary="Run a finished export again",
)
def run_export_again(request: HttpRequest, export_id: UUID, response: HttpResponse) -> Any:
    """Start a new export with the same settings, for the same owner. See "Start an export"."""
    export = _changeable(request, export_id)
    asked = lifecycle.run_again(export, by=request.user)  # type: ignore[arg-type]
    return _started(request, response, *asked)


# The same with HEAD, which tells length, name and checksum. It needs no words of its own.
@router.api_operation(["HEAD"], "/exports/{uuid:export_id}/file", include_in_schema=False)
@router.get(
    "/exports/{uuid:export_id}/file",
    response={frozenset({200, 206, 302, 304, 412, 416}): None, FILE: Problem},
    url_name="get_file",
    summary="Download the file, or a range of it",
)
def get_file(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    export = _visible(request, export_id)
    # Asked again: the right may have been withdrawn since the request.
    check_download(request.user, export)  # type: ignore[arg-type]
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
            {**BARE, **item.data, "offset": item.position.offset, "at": item.at}
            for item in found.items
        ],
    }


def _started(
    request: HttpRequest,
    response: HttpResponse,
    export: Export,
    is_new: bool,  # noqa: FBT001 - as lifecycle returns it
) -> Any:
    place = reverse("api:get_export", args=[export.pk])
    response["Location"] = request.build_absolute_uri(place)
    return Answer(202 if is_new else 200, _answer(export))


def _answer(export: Export) -> dict[str, Any]:
    """The snapshot, with links that take a program's token: those of pages want a session."""
    answer = snapshot(export)
    links = {"self": reverse("api:get_export", args=[export.pk]), "download": None}
    if answer["links"]["download"]:
        links["download"] = reverse("api:get_file", args=[export.pk])
    return {**answer, "links": links}


def _visible(request: HttpRequest, export_id: UUID) -> Export:
    """For somebody else's export the answer is the same as for one that is not there."""
    export = visible_to(request.user).filter(pk=export_id).first()  # type: ignore[arg-type]
    if export is None:
        raise Http404(gettext("There is no export %(id)s.") % {"id": export_id})
    return export


def _changeable(request: HttpRequest, export_id: UUID) -> Export:
    export = _visible(request, export_id)
    if not may_change(request.user, export):  # type: ignore[arg-type]
        raise NotPermitted(gettext("You can view this export but not change it."))
    return export
