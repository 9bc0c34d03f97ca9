"""Measure all clients that reconnect at once with a cursor after a restart of the web process.

An observer requests ordinary pages at the same time. The clients do not wait for a random time
before they reconnect, although `stream.js` does, so this is the worst case.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.crowd import PATIENCE, PAUSE, Client, Requests, following, until, while_it_runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from benchmarks.crowd import Address


@dataclass
class Figures:
    """The measurements. Times are in seconds."""

    level: float  # from the first reconnected client until the last one has all events
    median: dict[str, float]  # of ordinary requests, by path
    slowest: dict[str, float]
    most: int  # the highest number of connections to the database
    left: int  # the connections after all clients have left


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
) -> Figures:
    """`connections` counts the database connections of the web process. It keeps `kept` of them."""
    crowd = [Client(address) for _ in range(clients)]
    seen = []

    async def observe() -> None:
        while True:
            seen.append(await connections())
            await asyncio.sleep(PAUSE)

    async with following(crowd, comes_back=True):
        await publish(1)
        await until(lambda: {each.offset for each in crowd} == {1}, "all are live")
        await asyncio.to_thread(stop)
        await until(lambda: not any(each.is_following for each in crowd), "all have noticed")
        await publish(missed)
        requests = [Requests(f"{address.url}{path}", address.cookie) for path in paths]
        async with AsyncExitStack() as stack:
            for each in (observe, *(one.ask for one in requests)):
                await stack.enter_async_context(while_it_runs(each()))
            await asyncio.to_thread(start)
            await until(lambda: any(each.is_following for each in crowd), "the first is back")
            begin = time.monotonic()
            await until(lambda: {each.offset for each in crowd} == {1 + missed}, "all are level")
            level = time.monotonic() - begin
            await until(lambda: all(one.seconds for one in requests), "pages are answered")
    # Connections of requests are closed a moment after the last response.
    for _ in range(int(PATIENCE / PAUSE)):
        if (left := await connections()) <= kept:
            break
        await asyncio.sleep(PAUSE)
    return Figures(
        level,
        {path: statistics.median(each.seconds) for path, each in zip(paths, requests, strict=True)},
        {path: max(each.seconds) for path, each in zip(paths, requests, strict=True)},
        max(seen),
        left,
    )
