"""Who is there when a fault happens: clients that record, publishers, and web processes between."""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notifications.streams import backlog
from tests.faults.recorder import Recorder
from tests.services.waybill import Server
from tests.support.streaming import append
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from notifications.streams.cursor import Cursor
    from tests.faults.recorder import Place
    from tests.services.processes import Process, Run

ENTRY = re.compile(r"^(?=\d{4}-\d\d-\d\d )", re.MULTILINE)  # where one of a log begins
# It tells of each failed attempt to reconnect with a traceback, and goes on.
LAYER = "channels_redis.pubsub"


@dataclass(frozen=True)
class Inside:
    """A look into a web process."""

    counters: dict[str, int]  # the hub's
    stream_tasks: dict[str, int]  # running, by name
    tasks: int  # all that run in the event loop
    threads: int
    connections: int  # sockets, streams of events and long polls


class Web(Server):
    """A web process that can be looked into."""

    def __init__(self, run: Run, env: Mapping[str, str] | None = None) -> None:
        # Without a line for each request: there are many looks inside.
        super().__init__(run, env, ("-v", "0", "tests.faults.inside:application"))

    def inside(self, query: str = "") -> Inside:
        with urllib.request.urlopen(f"{self.url}/inside{query}", timeout=30) as answer:
            return Inside(**json.load(answer))

    def stop_sweeps(self) -> None:
        """Wait for one more sweep. What arrives from then on was pushed."""
        before = self.inside("?sweep=3600").counters["sweeps"]
        wait_until(lambda: self.inside().counters["sweeps"] > before, what="a last sweep")

    def unexpected(self, expected: Iterable[str] = ()) -> list[str]:
        """The entries of the log with a traceback, but for those of the loggers `expected`."""
        return [
            entry
            for entry in ENTRY.split(self.process.log_text())
            if "Traceback" in entry
            and not any(f" {logger}: " in entry.partition("\n")[0] for logger in expected)
        ]


class Stage:
    """Clients and publishers of `streams`. What it started ends with it."""

    def __init__(self, run: Run, cookie: str, streams: Sequence[str]) -> None:
        self.streams = list(streams)
        self.clients: list[Recorder] = []
        self.publishers: list[Process] = []
        self._run = run
        self._cookie = cookie

    def add(self, place: Place) -> Recorder:
        """A client of all streams, which has yet to connect."""
        self.clients.append(Recorder(place, self._cookie, self.streams))
        return self.clients[-1]

    def follow(self, place: Place, count: int = 1) -> list[Recorder]:
        """Clients of all streams, when each of them is live."""
        clients = [self.add(place) for _ in range(count)]
        wait_until(lambda: all(each.is_live for each in clients), what="clients are live")
        return clients

    def publish(self, count: int = 2, *options: str) -> None:
        """Publishers of all streams, when each of them has published."""
        started = [self.start_publisher(*options) for _ in range(count)]
        self.publishers += started
        for each in started:
            each.wait_ready(lambda each=each: "publishing" in each.log_text())

    def start_publisher(self, *options: str) -> Process:
        command = [sys.executable, "-m", "tests.faults.publisher", *options, *self.streams]
        return self._run.start("publisher", command)

    def seconds_until_level(self) -> float:
        """Wait until every client has what the tables hold now.

        While somebody publishes, there is something new in every stream first.
        """
        heads = backlog.heads(self.streams)
        if self.publishers:
            heads = wait_until(lambda: self._newer(heads), what="every stream has gone on")
        begin = time.monotonic()
        wait_until(
            lambda: all(each.record.has_reached(heads) for each in self.clients),
            timeout=45,
            what="every client is level",
        )
        return time.monotonic() - begin

    def _newer(self, heads: Mapping[str, Cursor]) -> dict[str, Cursor] | None:
        """Where the streams stand, once each of them has an event more."""
        now = backlog.heads(self.streams)
        return now if all(now[name].offset > heads[name].offset for name in heads) else None

    def end(self) -> None:
        """Stop publishing. Every record must then equal the tables."""
        while self.publishers:
            publisher = self.publishers.pop()
            publisher.stop()
            assert publisher.exit_status == 0, publisher
        for stream in self.streams:
            append(stream, "last")
        self.seconds_until_level()
        for client in self.clients:
            client.record.assert_equals_tables(self.streams)

    def assert_nobody_reconnected(self, *, but: Sequence[Recorder] = ()) -> None:
        stayed = [each for each in self.clients if each not in but]
        assert [(each.handshakes, each.losses) for each in stayed] == [(1, [])] * len(stayed)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for publisher in self.publishers:
            publisher.kill()
