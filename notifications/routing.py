"""The WebSocket routes, for a project's asgi.py."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.conf import settings
from django.urls import path, re_path

from notifications.delivery import daphne
from notifications.delivery.consumer import StreamConsumer


async def refuse(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's signature
    """Refuse a socket at an unknown path with HTTP 403. Without this, URLRouter would raise."""
    await receive()
    await send({"type": "websocket.close"})


class StripScriptName:
    """Removes the site's prefix from the path: FORCE_SCRIPT_NAME, or the `root_path` of the server.

    Like Django, it also accepts a path from which a proxy has already removed the prefix.
    """

    def __init__(self, routes: URLRouter) -> None:
        self._routes = routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        prefix = settings.FORCE_SCRIPT_NAME or scope.get("root_path", "")
        path = scope["path"]
        if prefix and path.startswith(f"{prefix.rstrip('/')}/"):
            path = path[len(prefix.rstrip("/")) :]
        stripped: Any = {**scope, "path": path, "root_path": ""}
        return await self._routes(stripped, receive, send)


# The types of Django's path() allow only views.
_routes = URLRouter(
    [
        path("ws/streams/", StreamConsumer.as_asgi()),  # type: ignore[arg-type, list-item]
        re_path("", refuse),  # type: ignore[arg-type, list-item]
    ]
)
router = StripScriptName(_routes)
daphne.install()
