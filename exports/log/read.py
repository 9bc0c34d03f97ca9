"""The log of an export as it is read: on its page, as text, over the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import F
from django.http import HttpResponse, StreamingHttpResponse

from exports.files.names import attachment
from exports.log import text
from exports.models import Export
from exports.status import Status
from notifications.delivery.db_threads import in_database
from notifications.http import never_compressed
from notifications.models import Event
from notifications.streams import backlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from exports.models import Export
    from notifications.streams.cursor import Cursor


if TYPE_CHECKING:
    from collections.abc import Iterable


TYPE = "log"
TEXT = "text/plain"

# Lines that are in a page as it comes. Its script fetches those before them, which are
# compressed as data, and are not parsed as elements.
TAIL_LINES = 100
# Lines in one answer of the API: two megabytes or so, a fifth of it compressed.
MAX_LINES = 10_000
# Lines read at once for the text. Bounds the memory, also for messages of 4 000 characters.
TEXT_LINES = 1_000


@dataclass(frozen=True, slots=True)
class Tail:
    """The last lines, and whether there are any before them."""

    lines: list[Event]
    has_earlier: bool


def tail(export: Export, *, upto: Cursor) -> Tail:
    """The last lines up to a cursor. What is later comes over the socket."""
    lines = Event.objects.filter(stream__name=export.stream, type=TYPE, offset__lte=upto.offset)
    last = list(lines.order_by("-offset")[: TAIL_LINES + 1])
    return Tail(last[:TAIL_LINES][::-1], len(last) > TAIL_LINES)


def page(export: Export, after: Cursor | None, limit: int) -> backlog.Backlog:
    """The next lines after a cursor; without one, the first."""
    return backlog.read_type(export.stream, TYPE, after, limit)


def text_response(request: HttpRequest, export: Export) -> HttpResponseBase:
    """All lines that there are now, as a file that is named after the export."""
    never_compressed(request)
    headers = {
        "Content-Type": f"{TEXT}; charset=utf-8",
        "Content-Disposition": attachment(export.title, "log.txt"),
        "X-Content-Type-Options": "nosniff",
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(_text(export), headers=headers)


async def _text(export: Export) -> AsyncIterator[str]:
    """A page of lines at a time. Django reads a synchronous iterator as a whole under ASGI."""
    after: Cursor | None = None
    more = True
    while more:
        found = await in_database(page, export, after, TEXT_LINES)
        after, more = found.end, found.more
        yield "".join(_entry(item.at, item.data) for item in found.items)


def _entry(at: str, line: dict[str, Any]) -> str:
    return text.entry(datetime.fromisoformat(at), line)


LAST_EVENTS = 6  # of a stream, among which those lines are; the very last says that it failed


def last_lines(exports: Iterable[Export]) -> dict[str, list[str]]:
    """The last lines that those that failed have logged, by stream, in one query."""
    failed = [export.stream for export in exports if export.status == Status.FAILED]
    found: dict[str, list[str]] = {name: [] for name in failed}
    if failed:
        late = {"stream__name__in": failed, "offset__gt": F("stream__head") - LAST_EVENTS}
        events = Event.objects.filter(type="log", **late).order_by("offset")
        for name, message in events.values_list("stream__name", "data__message"):
            found[name].append(message)
    return found
