"""Read the log of an export, for its page, as text and for the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F
from django.http import HttpResponse, StreamingHttpResponse

from exports.files.names import attachment
from exports.log import text
from exports.log.write import TYPE
from exports.status import Status
from notifications.delivery.db_threads import in_database
from notifications.http import disable_compression
from notifications.models import Event
from notifications.streams import backlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from exports.models import Export
    from notifications.streams.cursor import Cursor

TEXT = "text/plain"

# Lines in the HTML of a page. Its script fetches earlier lines as data, which is smaller and
# quicker to parse.
TAIL_LINES = 100
# Lines in one response of the API: about two megabytes, or a fifth of that compressed.
MAX_LINES = 10_000
# Lines that are read together for the text. They fit in memory even if all messages are long.
TEXT_LINES = 1_000
# How many of the newest events of a failed export are searched for log lines. The last event
# is not a line: it says that the export failed.
LAST_EVENTS = 6


@dataclass(frozen=True, slots=True)
class Tail:
    """The last lines, and whether there are earlier ones."""

    lines: list[Event]
    has_earlier: bool


def tail(export: Export, *, upto: Cursor) -> Tail:
    """Return the last lines up to a cursor. The page gets later lines over its connection."""
    lines = Event.objects.filter(stream__name=export.stream, type=TYPE, offset__lte=upto.offset)
    last = list(lines.order_by("-offset")[: TAIL_LINES + 1])
    return Tail(last[:TAIL_LINES][::-1], len(last) > TAIL_LINES)


def page(export: Export, after: Cursor | None, limit: int) -> backlog.Backlog:
    """Return the next lines after a cursor; without a cursor, the first lines."""
    return backlog.read_type(export.stream, TYPE, after, limit)


def text_response(request: HttpRequest, export: Export) -> HttpResponseBase:
    """Return all current lines as a text file that is named after the export."""
    disable_compression(request)
    headers = {
        "Content-Type": f"{TEXT}; charset=utf-8",
        "Content-Disposition": attachment(export.title, "log.txt"),
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(_text(export), headers=headers)


async def _text(export: Export) -> AsyncIterator[str]:
    """Yield pages of lines. Under ASGI, Django would read a synchronous iterator as a whole."""
    after: Cursor | None = None
    more = True
    while more:
        found = await in_database(page, export, after, TEXT_LINES)
        after, more = found.end, found.more
        yield "".join(
            text.entry(datetime.fromisoformat(item.at), item.data) for item in found.items
        )


def last_lines(exports: Iterable[Export]) -> dict[str, list[str]]:
    """Return the last log lines of the failed exports, by stream. This takes one query."""
    failed = [export.stream for export in exports if export.status == Status.FAILED]
    found: dict[str, list[str]] = {name: [] for name in failed}
    if failed:
        late = {"stream__name__in": failed, "offset__gt": F("stream__head") - LAST_EVENTS}
        events = Event.objects.filter(type=TYPE, **late).order_by("offset")
        for name, message in events.values_list("stream__name", "data__message"):
            found[name].append(message)
    return found
