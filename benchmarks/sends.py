"""Pushes from a child of a Celery worker: what each costs, and what they leave behind.

Run by `make bench ARGS=streams`, and as a module of tasks by the worker itself.
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
PATIENCE = 600  # seconds for all pushes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# An application of its own: that of Waybill has no such task.
app = Celery("benchmarks", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = QUEUE


@dataclass
class Figures:
    sent: int
    failed: int
    seconds: float
    threads_before: list[str]  # in the child, by name
    threads_after: list[str]
    files_before: int  # open ones of the child: sockets, and what event loops hold
    files_after: int
    connections_before: int  # to Redis, of everybody
    connections_after: int


def worker(name: str) -> list[str]:
    """The arguments of Python that start a worker for these tasks, with one child."""
    options = ["-n", name, "-c", "1", "-Q", QUEUE, "--pool", "prefork", "-l", "INFO"]
    options += ["--without-mingle", "--without-gossip"]
    return ["-m", "celery", "-A", "benchmarks.sends", "worker", *options]


@app.task(name="benchmarks.send")
def send(count: int) -> dict[str, Any]:
    """Push `count` times. Without a table: what is measured is the push."""
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
    # The last push's own thread ends a moment after it.
    with suppress(TimeoutError):  # If it stays, that is what is shown.
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


def measure(redis: Callable[[], Redis], count: int) -> Figures:
    """Have a worker that is running push `count` times."""
    send.delay(1).get(timeout=PATIENCE)  # What is made once, is made now.
    before = _connections(redis)
    done = send.delay(count).get(timeout=PATIENCE)
    return Figures(**done, connections_before=before, connections_after=_connections(redis))


def _connections(redis: Callable[[], Redis]) -> int:
    with redis() as client:
        return int(client.info("clients")["connected_clients"])


def _threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def _files() -> int:
    return len(list(Path("/dev/fd").iterdir()))
