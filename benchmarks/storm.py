"""Everybody comes back at once, with a cursor, after the web process was started again.

Meanwhile somebody asks for ordinary pages. Nobody waits a random time before coming back,
as `stream.js` does: this is the worst case.
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
    """Seconds, but for the last two."""

    level: float  # from when the first client is back until the last one has everything
    median: dict[str, float]  # of ordinary requests meanwhile, by path
    slowest: dict[str, float]
    most: int  # connections to the database at once
    left: int  # when all clients have gone


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
    """`connections` tells how many the web process has to the database, `kept` what it keeps."""
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
    # Those of requests are closed a moment after the last answer.
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
