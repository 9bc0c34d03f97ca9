"""Measure pushes from a child of a Celery worker, and what remains after them.

`make bench ARGS=streams` runs this module, and the worker loads it for its tasks.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

QUEUE = "sends"
PATIENCE = 600  # Seconds for all pushes.

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# A separate Celery app, because Waybill's app has no such task.
app = Celery("benchmarks", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = QUEUE


@dataclass
class Results:
    sent: int
    failed: int
    seconds: float
    threads_before: list[str]  # The names of the child's threads.
    threads_after: list[str]
    files_before: int  # The child's open files: sockets, and files of event loops.
    files_after: int
    connections_before: int  # All connections to Redis.
    connections_after: int


def worker(name: str) -> list[str]:
    """Return the arguments of Python for a worker with these tasks and one child."""
    options = ["-n", name, "-c", "1", "-Q", QUEUE, "--pool", "prefork", "-l", "INFO"]
    options += ["--without-mingle", "--without-gossip"]
    return ["-m", "celery", "-A", "benchmarks.sends", "worker", *options]


@app.task(name="benchmarks.send")
def send(count: int) -> dict[str, Any]:
    """Push `count` times without writing rows, to measure only pushes."""
    from notifications.streams import push
    from notifications.streams.cursor import Cursor
    from notifications.streams.items import Item

    push.counters.update(dict.fromkeys(push.counters, 0))
    threads_before, files_before = _threads(), _files()
    begin = time.perf_counter()
    for number in range(1, count + 1):
        position = Cursor("epoch", number, 0)
        push.push([Item("bench-1", position, "event", "log", {"n": number}, "then")])
    seconds = time.perf_counter() - begin
    # The thread of the last push ends a moment later.
    with suppress(TimeoutError):  # The result contains a thread that does not end.
        wait_until(lambda: len(_threads()) <= len(threads_before), timeout=20)
    return {
        "sent": push.counters["sent"],
        "failed": push.counters["failed"],
        "seconds": seconds,
        "threads_before": threads_before,
        "threads_after": _threads(),
        "files_before": files_before,
        "files_after": _files(),
    }


def measure(redis: Callable[[], Redis], count: int) -> Results:
    """Let a running worker push `count` times."""
    send.delay(1).get(timeout=PATIENCE)  # The first push creates connections.
    before = _connections(redis)
    done = send.delay(count).get(timeout=PATIENCE)
    return Results(**done, connections_before=before, connections_after=_connections(redis))


def _connections(redis: Callable[[], Redis]) -> int:
    with redis() as client:
        return int(client.info("clients")["connected_clients"])


def _threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def _files() -> int:
    return len(list(Path("/dev/fd").iterdir()))
