"""Database reads of consumers, in a small pool of threads of their own.

All of `sync_to_async` shares one thread outside of requests: one slow query there
freezes every socket of the process.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from django.db import close_old_connections, connections

from notifications.conf import conf

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# Seconds for which a thread keeps its connection. To make one costs more than what is read
# with it, and a thousand clients that come back ask five thousand times. There are no more
# of them than threads, so they do not pile up, as they would with a thread for each request.
KEPT_SECONDS = 60


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        conf.DATABASE_THREADS, thread_name_prefix="streams", initializer=_keep_connections
    )


def _keep_connections() -> None:
    """Let the connections of this thread, and of no other, live on between calls."""
    for connection in connections.all():
        given = connection.settings_dict
        # To take one from psycopg's pool is cheap, and Django refuses to keep it.
        if given["CONN_MAX_AGE"] == 0 and not given["OPTIONS"].get("pool"):
            connection.settings_dict = {**given, "CONN_MAX_AGE": KEPT_SECONDS}


def closes_connections(function: Callable[P, T]) -> Callable[P, T]:
    """`function` for a thread that Django does not clean up: its connections end with the call."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return call


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in the pool. Its connection is kept for the next, or given back."""

    def call() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_pool(), call)
