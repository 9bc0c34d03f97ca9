"""The WebSocket routes, for a project's asgi.py."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from notifications.consumers import StreamConsumer


async def refuse(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's signature
    """There is no such socket: HTTP 403. Without a route the router raises, for each of them."""
    await receive()
    await send({"type": "websocket.close"})


# Django's path() is typed for views alone.
router = URLRouter(
    [
        path("ws/streams/", StreamConsumer.as_asgi()),  # type: ignore[arg-type, list-item]
        re_path("", refuse),  # type: ignore[arg-type, list-item]
    ]
)
