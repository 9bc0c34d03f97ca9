"""Health checks for load balancers and monitoring. `manage.py healthcheck` checks more."""

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

# Seconds for the reply of Redis, and of the first worker. Load balancers hardly wait longer.
REDIS_TIMEOUT = 2.0
WORKER_TIMEOUT = 2.0


@never_cache
def live(_: HttpRequest) -> JsonResponse:
    """Respond with 200, or with 503 if only a restart helps.

    This view waits for nothing. While the database is down it responds with 200, because a restart
    would not help; `ready` responds with 503.
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
    """Respond with 200 if the database, Redis and a worker respond, or else with 503.

    The body names the checks that failed. A lack of disk space is in the body, too, but causes no
    503, because finished files can still be downloaded.
    """
    checks = {name: _result(check) for name, check in CHECKS.items()}
    is_ready = all(result == "ok" for result in checks.values())
    body: dict[str, Any] = {"status": "ok" if is_ready else "not ready", "checks": checks}
    if checks["database"] == "ok":
        body["space"] = _space()
    return JsonResponse(body, status=200 if is_ready else 503)


def _space() -> dict[str, Any] | None:
    try:
        return room.state()
    except DatabaseError:  # The tables do not exist yet, or the database has gone down since.
        return None


def _result(check: Callable[[], object]) -> str:
    try:
        check()
    except Unhealthy as error:
        return str(error)
    except (DatabaseError, RedisError, KombuError, OperationalError, OSError) as error:
        # The text of the error may name hosts and users.
        return f"no answer ({type(error).__name__})"
    return "ok"


def _redis() -> None:
    health.redis(REDIS_TIMEOUT)


def _worker() -> None:
    # Workers are reached through Redis. Without this line, Celery would retry a missing Redis for
    # long.
    _redis()
    health.any_worker(WORKER_TIMEOUT)


CHECKS = {"database": health.database, "redis": _redis, "worker": _worker}
