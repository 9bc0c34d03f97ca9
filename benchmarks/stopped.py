"""Measure what stopped clients cost the web process and a healthy client, and what they miss.

Half of the stopped clients read but never acknowledge. The others read nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from benchmarks.crowd import Client, Frozen, following, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.crowd import Address

MEBIBYTE = 1024 * 1024


@dataclass
class Results:
    """Measurements of the web process (memory in MiB) and of the healthy client."""

    before: float  # Memory when all clients have subscribed and no event was sent.
    full: float  # Memory when every window is full.
    after: float  # Memory when all events have been published.
    closed: float  # Memory when the stopped clients have been closed.
    codes: list[int | None]  # The close codes of the clients that read.
    left: int  # The number of remaining connections.
    seconds: float  # Until the clients that returned had all events.
    slowest_pong: float  # Seconds, before the stopped clients were closed.


async def measure(
    address: Address,
    pid: int,
    publish: Callable[[int], Awaitable[None]],
    *,
    window: int,
    events: int,
    each: int,
    returning: int,
) -> Results:
    """Stop `each` clients of both kinds, publish `events`, and let `returning` clients return."""
    process = psutil.Process(pid)

    def mebibytes() -> float:
        return process.memory_info().rss / MEBIBYTE

    def connections() -> int:
        found = process.net_connections("tcp")
        return len([one for one in found if one.raddr and one.laddr.port == address.port])

    healthy = Client(address, pings=True)
    ignoring = [Client(address, acknowledges=False) for _ in range(each)]
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for _ in range(each):
            stack.enter_context(closing(await asyncio.to_thread(Frozen, address)))
        await stack.enter_async_context(following([healthy, *ignoring]))
        before = mebibytes()
        await publish(window)
        await until(
            lambda: {one.offset for one in (healthy, *ignoring)} == {window}, "full windows"
        )
        full = mebibytes()

        await publish(events)
        await until(lambda: healthy.offset == window + events, "the healthy client has everything")
        after = mebibytes()

        # Clients that read nothing do not see their close frame.
        await until(
            lambda: all(one.close_code for one in ignoring), "the stopped clients are closed"
        )
        await until(lambda: connections() <= 1, "only one connection remains")
        codes = [one.close_code for one in ignoring]
        closed, left = mebibytes(), connections()
        slowest_pong = max(healthy.pongs)  # Later, returning clients use this process.
        assert {one.offset for one in ignoring} <= {window}, "At most a window was sent."

        begin = loop.time()
        back = ignoring[:returning]
        for one in back:
            one.acknowledges = True
        async with following(back):
            await until(
                lambda: {one.offset for one in back} == {healthy.offset}, "all have caught up"
            )
        seconds = loop.time() - begin
        assert healthy.close_code is None
    return Results(before, full, after, closed, codes, left, seconds, slowest_pong)
