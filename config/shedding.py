"""Refuse requests while the process has few file descriptors left (load shedding)."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings

from notifications.api.problems import problem
from notifications.delivery import descriptors
from notifications.delivery.connections import LOG_SECONDS, RETRY_SECONDS, NoRoomError
from notifications.protocol.rate_limits import Bucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpResponse

logger = logging.getLogger(__name__)

LIVE = "/health/live"
SHARE = 4  # A quarter of the reserve is kept for refusals and for `/health/live`.


class ShedLoad:
    """ASGI middleware that responds with 503, or 403 for a socket, before Django opens anything.

    `/health/live` is never refused: it opens nothing, and a restart would not help.
    """

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application
        self._log_lines = Bucket(1, 1 / LOG_SECONDS, time.monotonic)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_full = descriptors.left() < descriptors.reserve() // SHARE
        if not is_full or is_liveness_check(scope):
            await self._application(scope, receive, send)
            return
        if self._log_lines.take(1):
            logger.error(
                "Requests are refused: nearly all of %d file descriptors are in use. Raise the"
                " limit (ulimit -n), or start more web processes.",
                descriptors.limit(),
            )
        response = problem(HTTPStatus.SERVICE_UNAVAILABLE, str(NoRoomError()))
        await refuse(scope, receive, send, response, RETRY_SECONDS)


async def refuse(
    scope: Any, receive: Any, send: Any, response: HttpResponse, retry_after: int
) -> None:
    """Respond with `response`, or with 403 to the handshake of a socket."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})
        return
    response["Retry-After"] = str(retry_after)
    response["Cache-Control"] = "no-store"
    headers = [(name.encode(), value.encode()) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def is_liveness_check(scope: Any) -> bool:
    """Return whether this is a request for `/health/live`, below the path prefix of the site."""
    prefix = settings.FORCE_SCRIPT_NAME or scope.get("root_path", "")
    path: str = scope.get("path", "")
    return path.removeprefix(prefix.rstrip("/")) == LIVE
