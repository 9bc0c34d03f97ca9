"""The application of production, and a window into its process: what cannot be seen from outside.

`GET /inside` tells the hub's counters, the tasks of the event loop, and the threads. Besides, `?sweep=3600`
sets the interval of sweeps, `?limit=3` how long health bears to be without a connection to the
database, and `?hold=5` takes so many connections and keeps them. Only tests serve this.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.db import connection

from config.asgi import application as served
from config.supply import supply
from notifications.delivery import hub

_held: list[Any] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"] == "/inside":
        await _answer(parse_qs(scope["query_string"].decode()), send)
    else:
        await served(scope, receive, send)


async def _answer(query: dict[str, list[str]], send: Any) -> None:
    if "sweep" in query:
        settings.NOTIFICATIONS_SWEEP_SECONDS = float(query["sweep"][0])
    if "limit" in query:
        supply.limit_seconds = float(query["limit"][0])
    if "hold" in query:
        await asyncio.to_thread(_hold, int(query["hold"][0]))
    names = [task.get_name() for task in asyncio.all_tasks() if not task.done()]
    seen = {
        "counters": hub.current().counters,
        "stream_tasks": Counter(name for name in names if name.startswith("stream")),
        "tasks": len(names),
        "threads": threading.active_count(),
        "connections": len(hub.current().connections),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


def _hold(count: int) -> None:
    """Take connections as requests do, until `count` are kept. Those beyond are given back."""
    while len(_held) < count:
        _held.append(connection.copy())
        _held[-1].ensure_connection()
        _held[-1].inc_thread_sharing()  # Another thread gives it back.
    while len(_held) > count:
        _held.pop().close()
