"""Measure what one attacker costs ordinary users, for each kind of attack.

    make bench ARGS=attacks
    make bench ARGS="attacks --only many_sockets large_pings --seconds 30"

Fifty users have a page and a socket each, and one export runs. All use the production proxy and one
web process with PostgreSQL. Each attack runs between two quiet periods. Its first five seconds are
measured separately, because an attacker should be cut off by then. Compare the ratios, because the
attacker uses the processors of this machine, too. The last column has the responses that the
attacker gets after the five seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings

from benchmarks.attacks import ATTACKS, CUT_OFF_SECONDS, is_refusal
from benchmarks.crowd import Client, allow_files, following, running
from benchmarks.environment import POSTGRES, isolated, use
from benchmarks.output import say
from benchmarks.page import PRODUCTION
from benchmarks.streams import HOST, sign_in
from tests.services.nginx import Nginx
from tests.services.processes import Run
from tests.services.waybill import Server, Worker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.crowd import Address

PEOPLE = 50
PAUSE = 4.0  # Seconds between two pages of a user.
PUSHES = 20  # Events per second, each on the stream of the next user.
CSRF = "a" * 32
KINDS = ("pages", "pushes")
SMALL_PAGES = {"EXPORTS_PART_ROWS": "500", "EXPORTS_PAGE_ROWS": "500"}


@dataclass
class Measured:
    """The times of ordinary users in one period, in seconds."""

    pages: list[float] = field(default_factory=list)
    pushes: list[float] = field(default_factory=list)
    failed: int = 0


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=attacks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--seconds", type=float, default=20, help="of each period")
    parser.add_argument("--flights", type=int, default=100_000, help="rows of the export")
    options = parser.parse_args(arguments)
    allow_files()
    with isolated(POSTGRES) as environment, closing(Run()) as run:
        use({**environment, **PRODUCTION, "DATABASE_POOL_SIZE": "20"}, static_files=True)
        # This process starts many small exports of one user, so it has no limit of requests.
        settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = settings.EXPORTS_MAX_REQUESTS_PER_DAY = 0
        print(_measure(run, options.only, options.seconds, options.flights))


def _measure(run: Run, names: Sequence[str], seconds: float, rows: int) -> str:
    from tests.support import flights

    flights.load(rows)
    addresses = [sign_in(f"person-{number}") for number in range(PEOPLE)]
    hostile = sign_in("hostile")
    _permit("hostile", "person-0")
    web = Server(run)
    proxy = Nginx(run, [web.port])
    Worker(run, {**SMALL_PAGES, "DATABASE_POOL_SIZE": "0"})
    environment = {
        **os.environ,
        "ATTACKED_FILE": _finished_file("hostile"),
        "ATTACKER": json.dumps(
            {
                "host": HOST,
                "port": proxy.port,
                "cookie": hostile.cookie,
                "csrf": CSRF,
                "stream": hostile.stream,
            }
        ),
    }
    people = [Person(address, proxy.port, number) for number, address in enumerate(addresses)]
    measured = asyncio.run(_periods(people, names, seconds, environment))
    lines = [
        f"p99: quiet → first {CUT_OFF_SECONDS} s → later: ratio of later to quiet",
        "",
        "| attack | pages p99 | pushes p99 | failed | first refusal | responses"
        f" | after {CUT_OFF_SECONDS} s |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    return "\n".join([*lines, *measured])


class Person:
    """An ordinary user, with a socket, who requests one page after the other."""

    def __init__(self, address: Address, port: int, number: int) -> None:
        self.address = replace(address, port=port)
        self.client = Timed(self.address)
        self.number = number

    async def read(self, seen: Measured) -> None:
        await asyncio.sleep(PAUSE * self.number / PEOPLE)
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(30):
                    await self._page("/exports/")
                seen.pages.append(time.monotonic() - began)
            except (OSError, ValueError, TimeoutError):
                seen.failed += 1
            await asyncio.sleep(PAUSE)

    async def _page(self, path: str) -> None:
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {self.address.host}:{self.address.port}\r\n"
            f"X-Forwarded-For: 203.0.113.{self.number}\r\nConnection: close\r\n"
            f"Cookie: sessionid={self.address.cookie}\r\n\r\n".encode()
        )
        status = (await reader.readline()).split()
        await reader.read()
        writer.close()
        if status[1:2] != [b"200"]:
            raise ValueError(status)


class Timed(Client):
    """Records the time of each event from its commit to the client."""

    seen: Measured | None = None

    async def _take(self, frame: dict[str, Any], connection: Any) -> None:
        await super()._take(frame, connection)
        at = frame.get("data", {}).get("at") if frame["type"] == "event" else None
        if at is not None and self.seen is not None:
            self.seen.pushes.append(time.time() - at)


async def _periods(
    people: list[Person], names: Sequence[str], seconds: float, environment: dict[str, str]
) -> list[str]:
    rows = []
    all_quiet, all_later = [], []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            following([person.client for person in people], reconnect=True)
        )
        await stack.enter_async_context(running(_export("person-0")))
        await _period(people, seconds)  # This warms up all caches.
        for name in names:
            say(name)
            before = await _period(people, seconds)
            lasts = CUT_OFF_SECONDS + seconds + 2
            command = (sys.executable, "-m", "benchmarks.attacks", name, str(lasts))
            attack = await asyncio.create_subprocess_exec(
                "nice", *command, env=environment, stdout=asyncio.subprocess.PIPE
            )
            attacked = [await _period(people, each) for each in (CUT_OFF_SECONDS, seconds)]
            output, _ = await attack.communicate()
            await asyncio.sleep(3)
            after = await _period(people, seconds)
            rows.append(_row(name, [before, after], attacked, output.decode()))
            say(rows[-1])
            all_quiet += [before, after]
            all_later.append(attacked[1])
        rows.append(_summary(all_quiet, all_later))
    return rows


async def _period(people: list[Person], seconds: float) -> Measured:
    seen = Measured()
    async with AsyncExitStack() as stack:
        for person in people:
            person.client.seen = seen
            await stack.enter_async_context(running(person.read(seen)))
        await stack.enter_async_context(running(_publish(people)))
        await asyncio.sleep(seconds)
    return seen


async def _publish(people: list[Person]) -> None:
    """Append events with the time of their commit, on one stream after the other."""
    number = 0
    begin = time.monotonic()
    while True:
        stream = people[number % len(people)].address.stream
        await asyncio.to_thread(_append, stream)
        number += 1
        await asyncio.sleep(max(begin + number / PUSHES - time.monotonic(), 0))


def _append(stream: str) -> None:
    from django.db import transaction

    from notifications.streams import append

    with transaction.atomic():
        append(stream, "log", {"at": time.time(), "message": "x"})


async def _export(username: str) -> None:
    """Run one export after the other."""
    while True:
        export = await asyncio.to_thread(_start, username)
        while not await asyncio.to_thread(_is_over, export):  # noqa: ASYNC110 - a worker ends it
            await asyncio.sleep(0.5)


def _start(username: str) -> Any:
    from django.contrib.auth import get_user_model

    from exports import lifecycle
    from exports.spec.spec import build_spec

    user = get_user_model().objects.get(username=username)
    return lifecycle.start(build_spec(user, exporter="flights", label=str(time.time())))[0].pk


def _is_over(export: Any) -> bool:
    from exports.models import Export
    from exports.status import FINAL

    return Export.objects.get(pk=export).status in FINAL


def _finished_file(username: str) -> str:
    export = _start(username)
    wait_until(lambda: _is_over(export), 60, "the export is over")
    return str(export)


def _permit(*usernames: str) -> None:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    for user in get_user_model().objects.filter(username__in=usernames):
        user.user_permissions.add(Permission.objects.get(codename="export_flight"))


def _p99_of(periods: Sequence[Measured], what: str) -> float:
    values = [second for seen in periods for second in getattr(seen, what)]
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else float("nan")


def _row(name: str, quiet: Sequence[Measured], attacked: Sequence[Measured], output: str) -> str:
    lines = [json.loads(line) for line in output.splitlines()]
    answers = next((line["answers"] for line in lines if "answers" in line), {})
    late = next((line["late"] for line in lines if "late" in line), {})
    refusals = [line["after"] for line in lines if "after" in line and is_refusal(line["answer"])]
    cells = [name.replace("_", " ")]
    for what in KINDS:
        base = _p99_of(quiet, what)
        first, later = (_p99_of([seen], what) for seen in attacked)
        cells.append(
            f"{base * 1000:.0f} → {first * 1000:.0f} → {later * 1000:.0f} ms: {later / base:.2f}"
        )
    cells.append(str(sum(seen.failed for seen in attacked)))
    cells.append(f"{refusals[0]:.1f} s" if refusals else "")
    cells += [
        ", ".join(f"{answer}: {count}" for answer, count in counts.items())
        for counts in (answers, late)
    ]
    return f"| {' | '.join(cells)} |"


def _summary(quiet: Sequence[Measured], later: Sequence[Measured]) -> str:
    """Return a row for all periods together, because a single attack has few pages."""
    cells = ["all together"]
    for what in KINDS:
        base, now = _p99_of(quiet, what), _p99_of(later, what)
        cells.append(f"{base * 1000:.0f} → {now * 1000:.0f} ms: {now / base:.2f}")
    return f"| {' | '.join([*cells, str(sum(seen.failed for seen in later)), '', '', ''])} |"
