"""Health for a load balancer, and for the person who wonders what is wrong.

The person with a terminal has more: `manage.py healthcheck`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from config.supply import supply
from exports import health
from exports.health import Unhealthy
from exports.lifecycle import room

if TYPE_CHECKING:
    from collections.abc import Callable

REDIS_TIMEOUT = 2.0  # seconds; what asks us has little more patience itself
WORKER_TIMEOUT = 2.0  # seconds for the first worker to answer


@never_cache
def live(_: HttpRequest) -> JsonResponse:
    """This process serves, and a restart would mend nothing.

    It waits for nobody, also not for the database. A database that is down is no reason to
    restart: then this is 200, and `ready` is not.
    """
    seconds = supply.starved_seconds()
    if seconds < supply.limit_seconds:
        return JsonResponse({"status": "ok"})
    reason = (
        f"For {seconds:.0f} s this process has got no connection to the database, "
        "although the database answers. Restart it."
    )
    return JsonResponse({"status": "no connections", "reason": reason}, status=503)


@never_cache
def ready(_: HttpRequest) -> JsonResponse:
    """200 only when the database, Redis and a worker answer; else 503 and which does not.

    A lack of room is in the body and is no 503: finished files can still be downloaded.
    """
    checks = {name: _ask(check) for name, check in CHECKS.items()}
    well = all(answer == "ok" for answer in checks.values())
    body: dict[str, Any] = {"status": "ok" if well else "not ready", "checks": checks}
    if checks["database"] == "ok":
        body["space"] = _space()
    return JsonResponse(body, status=200 if well else 503)


def _space() -> dict[str, Any] | None:
    try:
        return room.state()
    except DatabaseError:  # It is not migrated yet, or has gone since.
        return None


def _ask(check: Callable[[], object]) -> str:
    try:
        check()
    except Unhealthy as error:
        return str(error)
    except (DatabaseError, RedisError, KombuError, OperationalError, OSError) as error:
        # The kind only: the text may name hosts and users.
        return f"no answer ({type(error).__name__})"
    return "ok"


def _redis() -> None:
    health.redis(REDIS_TIMEOUT)


def _worker() -> None:
    # Workers are asked through Redis. Without it, that would be tried for long.
    _redis()
    health.any_worker(WORKER_TIMEOUT)


CHECKS = {"database": health.database, "redis": _redis, "worker": _worker}
