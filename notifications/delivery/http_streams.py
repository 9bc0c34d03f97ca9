"""Streams over plain HTTP: the long poll and server-sent events. See docs/protocol.md."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Schema
from pydantic import Field

from notifications.api import credentials as api_credentials
from notifications.api.async_router import AsyncRouter
from notifications.api.auth import Authenticate
from notifications.api.problems import Problem, RetryLaterError, invalid_cursor
from notifications.delivery import follower as followers
from notifications.delivery import hub
from notifications.delivery.connections import RETRY_SECONDS, TooManyConnectionsError
from notifications.delivery.db_threads import in_database
from notifications.http import disable_compression
from notifications.protocol import frames as protocol
from notifications.streams import access
from notifications.streams.cursor import cursor_or_start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from notifications.streams.backlog import Backlog

router = AsyncRouter(tags=["streams"])

MAX_WAIT = 25.0  # Seconds. Proxies give up after 30.
# An event stream ends after this time or number of items, so that the client reconnects and its
# rights are checked again.
SSE_SECONDS = 55.0
SSE_ITEMS = 5_000
SSE_COMMENT_SECONDS = 15.0  # Some proxies close a connection that is silent for longer.
# The first comment is sent early, to show the client that no proxy buffers the response.
SSE_FIRST_COMMENT_SECONDS = 0.5
RETRY_MS = 1_000  # The client reconnects after this time.


@contextmanager
def _refusals_as_problems() -> Iterator[None]:
    """Turn a refused connection into a problem response."""
    try:
        yield
    except TooManyConnectionsError as refusal:
        message = _(refusal.message) % refusal.values
        raise RetryLaterError(refusal.status, message, RETRY_SECONDS) from refusal


class AuthenticateAsync(Authenticate):
    """Like `Authenticate`, for asynchronous views. It reads the database with `db_threads`.

    A request that would stay open is refused before any read of the database if its user is known
    and has too many connections.
    """

    async def __call__(self, request: HttpRequest) -> Any:  # type: ignore[override]
        credentials = api_credentials.credentials_of(request)
        connections = hub.current().connections
        if _is_held_open(request):
            with _refusals_as_problems():
                connections.ensure_room()
                connections.ensure_allowed(credentials)
        return await in_database(super().__call__, request)


def _is_held_open(request: HttpRequest) -> bool:
    return request.path.endswith("/sse") or request.GET.get("wait", "0") != "0"


class PollIn(Schema):
    """`after`: a cursor, or "latest". Without it the answer starts at the oldest kept event."""

    after: str | None = None
    wait: float = Field(0, ge=0, le=MAX_WAIT, description="Seconds to wait for new items.")


class Polled(Schema):
    """Send `cursor` as `after` in the next request. `more`: more items are available now."""

    stream: str
    cursor: str
    reset: Literal["pruned", "epoch"] | None
    more: bool
    frames: list[protocol.EventFrame | protocol.StateFrame]


@router.get(
    "/streams/{name}",
    response={200: Polled, frozenset({401, 404, 422, 429, 503}): Problem},
    auth=AuthenticateAsync(),
    summary="Get new items of a stream, with an optional wait",
)
async def poll(request: HttpRequest, name: str, query: Query[PollIn]) -> Any:
    try:
        after = cursor_or_start(query.after)
    except ValueError:
        return invalid_cursor(str(query.after))
    follower = followers.Follower(name, after, reader=request.user.pk)
    if query.wait:
        with _refusals_as_problems():
            follower.enter(is_brief=True)
    try:
        await _ensure_readable(request, name)
        page = await follower.read()
        if query.wait and _is_empty(page):
            page = await _wait(follower, query.wait)
    finally:
        follower.exit()
    return {
        "stream": name,
        "cursor": str(page.end),
        "reset": page.reset,
        "more": page.more,
        "frames": [json.loads(text) for text, _ in followers.frames(page)],
    }


async def _wait(follower: followers.Follower, seconds: float) -> Backlog:
    """Return the next page with items, or an empty page after `seconds`."""
    until = time.monotonic() + seconds
    async with follower:
        page = await follower.read()  # Items may have arrived before the hub followed the stream.
        while _is_empty(page) and await follower.wait_for_items(until - time.monotonic()):
            page = await follower.read()
    return page


def _is_empty(page: Backlog) -> bool:
    return not (page.items or page.reset)


@router.get(
    "/streams/{name}/sse",
    response={200: None, frozenset({401, 404, 422, 429, 503}): Problem},
    auth=AuthenticateAsync(),
    summary="Follow a stream as server-sent events; resumes from Last-Event-ID",
)
async def server_sent_events(request: HttpRequest, name: str, after: str | None = None) -> Any:
    start = request.headers.get("Last-Event-ID") or after
    try:
        cursor = cursor_or_start(start)
    except ValueError:
        return invalid_cursor(str(start))
    follower = followers.Follower(name, cursor, reader=request.user.pk)
    with _refusals_as_problems():
        follower.enter()  # The hub drops it by itself if the response is never iterated over.
    try:
        await _ensure_readable(request, name)
    except BaseException:
        follower.exit()
        raise
    disable_compression(request)
    response = StreamingHttpResponse(_events(follower), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would wait until a buffer is full.
    return response


async def _events(follower: followers.Follower) -> AsyncIterator[str]:
    """Yield the text of the events. An event is named after its frame's type; its id is a cursor."""
    until = time.monotonic() + SSE_SECONDS
    sent = 0
    comment_after = SSE_FIRST_COMMENT_SECONDS
    yield f"retry: {RETRY_MS}\n\n"
    async with follower:
        while sent < SSE_ITEMS and (left := until - time.monotonic()) > 0:
            page = await follower.read()
            if follower.must_reconnect:
                return  # The client reconnects and is authenticated again.
            for text in _texts(follower.stream, page):
                yield text
            sent += len(page.items)
            if not page.more and not await follower.wait_for_items(min(left, comment_after)):
                yield ": still here\n\n"
                comment_after = SSE_COMMENT_SECONDS


def _texts(name: str, page: Backlog) -> list[str]:
    texts = []
    if page.reset:
        reset = protocol.Reset(stream=name, reason=page.reset).model_dump_json()
        texts.append(f"event: reset\nid: {page.start}\ndata: {reset}\n\n")
    for text, cursor in followers.frames(page):
        kind = "event" if '"type":"event"' in text[:20] else "state"
        texts.append(f"event: {kind}\nid: {cursor}\ndata: {text}\n\n")
    return texts


async def _ensure_readable(request: HttpRequest, name: str) -> None:
    """Raise Http404 unless the user may read the stream. A missing stream looks the same."""
    user: Any = request.user  # Always signed in, because the route requires it.
    if not await in_database(access.may_read, user, name):
        raise Http404(_("There is no stream with this name, or you do not have access to it."))
