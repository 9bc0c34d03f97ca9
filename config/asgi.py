"""The ASGI application for Daphne: Django over HTTP, and streams over WebSockets."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

# These modules need the apps, which the line above has loaded.
from config import server_limits  # noqa: E402 - needs the apps
from config.request_limits import LimitRequests  # noqa: E402 - needs the apps
from config.shedding import ShedLoad  # noqa: E402 - needs the apps
from config.supply import supply  # noqa: E402 - needs the apps
from config.threads import CleanThreads  # noqa: E402 - needs the apps
from notifications.delivery import descriptors  # noqa: E402 - needs the apps
from notifications.delivery.watchdog import WatchEventLoop  # noqa: E402 - needs the apps
from notifications.routing import router  # noqa: E402 - needs the apps

server_limits.apply()
supply.watch()
descriptors.raise_limit()
protocols = ProtocolTypeRouter({"http": django_application, "websocket": router})
application = WatchEventLoop(LimitRequests(ShedLoad(CleanThreads(protocols))))
