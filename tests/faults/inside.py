"""The application of production, and a window into its process: what cannot be seen from outside.

`GET /inside` tells the hub's counters and the tasks of the event loop; `?sweep=3600` sets
the interval of sweeps besides. Only tests serve this.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings

from config.asgi import application as served
from notifications import hub


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/inside":
        await _answer(parse_qs(scope["query_string"].decode()), send)
    else:
        await served(scope, receive, send)


async def _answer(query: dict[str, list[str]], send: Any) -> None:
    if "sweep" in query:
        settings.NOTIFICATIONS_SWEEP_SECONDS = float(query["sweep"][0])
    names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
    seen = {
        "counters": hub.current().counters,
        "stream_tasks": Counter(name for name in names if name.startswith("stream")),
        "tasks": len(names),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})
