"""Measure a mass reconnect: all clients return at once after a restart of the web process.

An observer requests ordinary pages at the same time. Unlike `stream.js`, the clients do not wait
for a random time before they reconnect, so this is the worst case.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.crowd import PATIENCE, PAUSE, Client, Requests, following, running, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.crowd import Address


@dataclass
class Results:
    """The measurements. Times are in seconds."""

    level: float  # From the first reconnected client until the last client has all events.
    median: dict[str, float]  # The time of ordinary requests, by path.
    slowest: dict[str, float]
    most: int  # The highest number of connections to the database.
    left: int  # The connections after all clients have left.


async def measure(
    address: Address,
    stop: Callable[[], None],
    start: Callable[[], None],
    publish: Callable[[int], Awaitable[None]],
    connections: Callable[[], Awaitable[int]],
    *,
    clients: int,
    missed: int,
    kept: int,
    paths: Sequence[str],
) -> Results:
    """Run the test. `connections` counts the web process's connections; it keeps `kept` open."""
    crowd = [Client(address) for _ in range(clients)]
    seen = []

    async def observe() -> None:
        while True:
            seen.append(await connections())
            await asyncio.sleep(PAUSE)

    async with following(crowd, reconnect=True):
        await publish(1)
        await until(lambda: {each.offset for each in crowd} == {1}, "all are live")
        await asyncio.to_thread(stop)
        await until(lambda: not any(each.is_following for each in crowd), "all have noticed")
        await publish(missed)
        requests = [Requests(f"{address.url}{path}", address.cookie) for path in paths]
        async with AsyncExitStack() as stack:
            for each in (observe, *(one.run for one in requests)):
                await stack.enter_async_context(running(each()))
            await asyncio.to_thread(start)
            await until(lambda: any(each.is_following for each in crowd), "the first is back")
            begin = time.monotonic()
            await until(
                lambda: {each.offset for each in crowd} == {1 + missed}, "all have caught up"
            )
            level = time.monotonic() - begin
            await until(lambda: all(one.seconds for one in requests), "pages are answered")
    # Connections of requests are closed a moment after the last response.
    for _ in range(int(PATIENCE / PAUSE)):
        if (left := await connections()) <= kept:
            break
        await asyncio.sleep(PAUSE)
    return Results(
        level,
        {path: statistics.median(each.seconds) for path, each in zip(paths, requests, strict=True)},
        {path: max(each.seconds) for path, each in zip(paths, requests, strict=True)},
        max(seen),
        left,
    )
