"""Load tests of streams: stopped clients, a mass reconnect, and a worker with many pushes.

    make bench ARGS=streams
    make bench ARGS="streams --events 10000 --stopped 20 --clients 100 --sends 1000"

The numbers are no ratios, so they hold only for the machine that printed them. The last column has
the limit that must hold on any machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import urllib.request
from contextlib import closing, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks import stopped, storm
from benchmarks.crowd import Address, allow_files
from benchmarks.environment import isolated, use
from benchmarks.output import ms, say
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
PATHS = ("/health/live", "/exports/")
THREADS = 4
RETURNING = 4  # Stopped clients that return. Each of them reads every event.

Row = tuple[str, str, str]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=streams",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--events",
        type=int,
        default=100_000,
        help="events that are published while clients are stopped",
    )
    parser.add_argument(
        "--stopped", type=int, default=200, help="stopped clients, half of each kind"
    )
    parser.add_argument("--clients", type=int, default=1_000, help="clients that reconnect at once")
    parser.add_argument("--sends", type=int, default=10_000, help="pushes of one worker")
    options = parser.parse_args(arguments)
    allow_files()
    with isolated() as environment:
        use(environment)
        rows = [
            *stopped_rows(options.stopped // 2, options.events),
            *storm_rows(options.clients),
            *sends_rows(options.sends),
        ]
    print(table(rows))


def stopped_rows(each: int, events: int) -> list[Row]:
    address = sign_in("stopped")
    say(f"{2 * each} clients stop, {events:,} events are published")
    with web() as server:
        seen = asyncio.run(
            stopped.measure(
                address,
                server.process.pid,
                lambda count: publish(address.stream, count),
                window=256,
                events=events,
                each=each,
                returning=min(each, RETURNING),
            )
        )
    codes = sorted({str(code) for code in seen.codes})
    return [
        (f"memory with {2 * each} idle clients", f"{seen.before:.0f} MiB", ""),
        ("memory with full windows", f"{seen.full:.0f} MiB", "bounded: clients times window"),
        (f"growth during {events:,} events", f"{seen.after - seen.full:.1f} MiB", "a few MiB"),
        ("close codes of clients that read", ", ".join(codes), "4408"),
        ("remaining connections of stopped clients", str(seen.left - 1), "0"),
        (
            f"{min(each, RETURNING)} clients return and read everything",
            f"{seen.seconds:.0f} s",
            "no event is missing",
        ),
        ("slowest pong of the healthy client", ms(seen.slowest_pong), "as without stopped clients"),
    ]


def storm_rows(clients: int) -> list[Row]:
    address = sign_in("storm")
    say(f"{clients:,} clients reconnect at once")
    with web() as server:
        seen = asyncio.run(
            storm.measure(
                address,
                server.stop,
                server.start,
                lambda count: publish(address.stream, count),
                connections,
                clients=clients,
                missed=20,
                kept=THREADS,
                paths=PATHS,
            )
        )
    return [
        (f"{clients:,} clients have caught up after", f"{seen.level:.1f} s", "all of them"),
        *(
            (f"{path} meanwhile", f"{ms(seen.median[path])}, at most {ms(seen.slowest[path])}", "")
            for path in PATHS
        ),
        ("most connections to the database", str(seen.most), f"{THREADS}, and one per request"),
        ("connections after all clients have left", str(seen.left), f"at most {THREADS}"),
    ]


def sends_rows(count: int) -> list[Row]:
    from redis import Redis

    from benchmarks import sends

    say(f"a worker pushes {count:,} times")
    name = f"bench-{os.getpid()}@benchmarks"
    command = [sys.executable, *sends.worker(name)]
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        try:
            seen = sends.measure(partial(Redis.from_url, os.environ["REDIS_URL"]), count)
        finally:
            process.terminate()
    each = seen.seconds / max(seen.sent, 1)
    return [
        (f"{seen.sent:,} of {count:,} pushes, time of each", ms(each), "all of them"),
        (
            "connections to Redis before and after",
            f"{seen.connections_before}, {seen.connections_after}",
            "the same",
        ),
        (
            "threads of the child",
            f"{len(seen.threads_before)}, {len(seen.threads_after)}",
            "the same",
        ),
        ("open files of the child", f"{seen.files_before}, {seen.files_after}", "the same"),
    ]


class Web:
    """A web process as in production that can be killed and restarted."""

    process: subprocess.Popen[bytes]

    def start(self) -> None:
        bound = ("-b", HOST, "-p", str(port()), "config.asgi:application")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daphne", "-v", "0", *bound],
            env={
                **os.environ,
                "NOTIFICATIONS_DATABASE_THREADS": str(THREADS),
                "NOTIFICATIONS_MAX_CONNECTIONS": "0",  # All clients have the same user.
            },
        )
        wait_until(self._responds_or_has_ended, 60, "the web process responds")

    def _responds_or_has_ended(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit("The web process has ended.")
        return self._responds()

    def _responds(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port()}/health/live", timeout=60).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def web() -> Iterator[Web]:
    server = Web()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@cache
def port() -> int:
    """Return a free port, which all servers of this run use."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def sign_in(name: str) -> Address:
    """Create a user. Return the address of their stream, with a session."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client

    user, _ = get_user_model().objects.get_or_create(username=name)
    client = Client()
    client.force_login(user)
    connection.close()  # Only connections of the web process are counted.
    return Address(HOST, port(), client.cookies["sessionid"].value, f"user-{user.pk}")


async def publish(stream: str, count: int) -> None:
    command = (sys.executable, "-m", "benchmarks.publisher", stream, str(count))
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise SystemExit("The publisher failed.")


async def connections() -> int:
    """Count the database connections of the web process. SQLite has none to count."""
    return await asyncio.to_thread(_connections)


def _connections() -> int:
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        count: int = cursor.fetchone()[0]
    connection.close()
    return count


def table(rows: list[Row]) -> str:
    lines = ["| what | measured | must be |", "|---|---:|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
