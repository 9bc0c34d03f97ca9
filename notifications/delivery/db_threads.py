"""Run the database reads of consumers in a small pool of threads.

Outside of requests, all calls of `sync_to_async` share one thread, in which a slow query would
block every socket of the process.
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

# Seconds for which a thread keeps its connection. Opening a connection costs more than a read, and
# a thousand clients that reconnect cause five thousand reads. There are never more connections than
# threads in the pool.
KEPT_SECONDS = 60


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        conf.DATABASE_THREADS, thread_name_prefix="streams", initializer=_keep_connections
    )


def _keep_connections() -> None:
    """Keep the connections of this thread open between calls. Other threads are not affected."""
    for connection in connections.all():
        options = connection.settings_dict
        # A connection from psycopg's pool is cheap, and Django does not allow it to stay open.
        if options["CONN_MAX_AGE"] == 0 and not options["OPTIONS"].get("pool"):
            connection.settings_dict = {**options, "CONN_MAX_AGE": KEPT_SECONDS}


def closes_connections(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap `function`, so that each call closes its thread's connections at the end.

    For threads that Django does not manage.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return call


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in the pool and return its result."""

    def call() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_pool(), call)
