"""The page of an export, its card, its log and its file.

A page reads the cursors of its streams before the state that it renders. Its script subscribes
from there, so no change is lost between the page and the socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from exports.access import visible_to
from exports.exceptions import NotPermitted, RequestError
from exports.files.download import NoFile, file_response
from exports.http import private
from exports.log import read
from exports.serialize import reload
from exports.spec.rights import check_download
from notifications.http import user_of
from notifications.streams import current_cursor
from notifications.streams.cursor import Cursor

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from exports.models import Export


@login_required
@require_safe
@private
def detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show the state, the file and the log of an export."""
    export = visible_or_404(request, pk)
    streams = {export.stream: current_cursor(export.stream)}
    reload(export)
    shown = {
        "streams": streams,
        "made_at": timezone.now(),
        "export": export,
        "log": read.tail(export, upto=Cursor.parse(streams[export.stream])),
    }
    return render(request, "exports/export/detail.html", shown)


@login_required
@require_safe
@private
def card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Return an export as a fragment of a page, for the page's script."""
    shown = {"export": visible_or_404(request, pk), "is_sheet": "sheet" in request.GET}
    return render(request, "exports/export/card.html", shown)


@login_required
@require_safe
@private
def log_text(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Return the full log as a text file."""
    return read.text_response(request, visible_or_404(request, pk))


@login_required
@require_safe
def file(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Return the file if the user may still run the exporter."""
    export = visible_or_404(request, pk)
    try:
        check_download(user_of(request), export)
        return file_response(request, export)
    except NotPermitted as error:
        raise PermissionDenied(error.localized()) from error
    except RequestError as error:  # The exporter no longer exists.
        raise Http404(error.localized()) from error
    except NoFile as error:
        context = {"export": export, "reason": error.localized()}
        return render(request, "exports/export/no_file.html", context, status=error.status)


def visible_or_404(request: HttpRequest, pk: uuid.UUID) -> Export:
    return get_object_or_404(visible_to(user_of(request)), pk=pk)
