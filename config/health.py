"""Health for a load balancer, and for the person who wonders what is wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from config.celery import app

if TYPE_CHECKING:
    from collections.abc import Callable

REDIS_TIMEOUT = 2.0  # seconds; what asks us has little more patience itself
WORKER_TIMEOUT = 2.0  # seconds for the first worker to answer


@never_cache
def live(_: HttpRequest) -> JsonResponse:
    """This process serves. It says nothing of anything else."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(_: HttpRequest) -> JsonResponse:
    """200 only when the database, Redis and a worker answer; else 503 and which does not."""
    checks = {name: _ask(check) for name, check in CHECKS.items()}
    well = all(answer == "ok" for answer in checks.values())
    body = {"status": "ok" if well else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if well else 503)


def _ask(check: Callable[[], str]) -> str:
    try:
        return check()
    except (DatabaseError, RedisError, KombuError, OperationalError, OSError) as error:
        # The kind only: the text may name hosts and users.
        return f"no answer ({type(error).__name__})"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _redis() -> str:
    async_to_sync(_push)()
    return "ok"


async def _push() -> None:
    # Through the layer itself: what pushes use is what must answer.
    channel_layer: Any = get_channel_layer()
    async with asyncio.timeout(REDIS_TIMEOUT):
        await channel_layer.group_send("health", {"type": "health"})


def _worker() -> str:
    # Workers are asked through Redis. Without it, that would be tried for long.
    _redis()
    # Over a connection of its own: those in the pool may be older than Redis' last restart.
    with app.connection_for_write() as fresh:
        answers = app.control.inspect(timeout=WORKER_TIMEOUT, limit=1, connection=fresh).ping()
    return "ok" if answers else "no worker answered"


CHECKS = {"database": _database, "redis": _redis, "worker": _worker}
