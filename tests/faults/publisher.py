"""A process that publishes without pause until it is told to stop.

    python -m tests.faults.publisher STREAM...
    python -m tests.faults.publisher --stops-before-push SIGKILL STREAM

The second commits once, and gives itself that signal where it would push.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import signal
import sys
import threading
from typing import Any

import django
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import Error as DatabaseError
from django.db import connection, transaction

RETRY = 0.25  # seconds after a transaction that failed
KEYS = 3  # of retained values in each stream

logger = logging.getLogger("publisher")


def publish(stream: str, turn: int) -> None:
    """One transaction: one to three events, and a value that replaces one."""
    from notifications.streams import append_many, retain

    fact = {"by": os.getpid(), "turn": turn}
    with transaction.atomic():
        append_many(stream, [("fact", fact)] * (1 + turn % 3))
        retain(stream, f"key-{turn % KEYS}", fact)


def publish_until(is_over: threading.Event, streams: list[str], pause: float) -> None:
    logger.warning("beginning")
    for turn in itertools.count():
        try:
            publish(streams[turn % len(streams)], turn)
        except DatabaseError as error:
            # Whether it was committed, the tables say.
            logger.warning("Not published: %r", error)
            connection.close()
            is_over.wait(RETRY)
        if turn == 0:
            logger.warning("publishing")
        if is_over.wait(pause):
            return


class Stopping(RedisPubSubChannelLayer):  # type: ignore[misc]
    """The layer of settings, until something is sent over it."""

    signal = signal.SIGKILL

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        os.kill(os.getpid(), self.signal)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("streams", nargs="+")
    parser.add_argument("--pause", type=float, default=0.04, help="seconds between transactions")
    parser.add_argument("--stops-before-push", choices=["SIGKILL", "SIGSTOP"])
    options = parser.parse_args(arguments)
    django.setup()
    if options.stops_before_push:
        Stopping.signal = signal.Signals[options.stops_before_push]
        channel_layers.set("default", Stopping())
        publish(options.streams[0], 0)
        return
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    publish_until(is_over, options.streams, options.pause)


if __name__ == "__main__":
    main(sys.argv[1:])
