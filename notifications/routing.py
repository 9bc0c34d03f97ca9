"""The WebSocket routes, for a project's asgi.py."""

from __future__ import annotations

from channels.routing import URLRouter
from django.urls import path

from notifications.consumers import StreamConsumer

# Django's path() is typed for views alone.
router = URLRouter([path("ws/streams/", StreamConsumer.as_asgi())])  # type: ignore[arg-type, list-item]
