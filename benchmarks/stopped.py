"""Measure what stopped clients cost the web process and a good client, and what they miss.

Half of them read but never acknowledge. The others read nothing at all.
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
class Figures:
    """Measurements of the web process and of the good client."""

    before: float  # MiB, when all have subscribed and nothing was sent
    full: float  # MiB, when every window is full
    after: float  # MiB, when all events have passed
    closed: float  # MiB, when the stopped ones were closed
    codes: list[int | None]  # the close codes of the clients that read
    left: int  # remaining connections
    seconds: float  # until the clients that returned had all events
    slowest_pong: float  # seconds, until the stopped ones were closed


async def measure(
    address: Address,
    pid: int,
    publish: Callable[[int], Awaitable[None]],
    *,
    window: int,
    events: int,
    each: int,
    returning: int,
) -> Figures:
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
        await until(lambda: healthy.offset == window + events, "the healthy one has everything")
        after = mebibytes()

        # Clients that read nothing do not see their close frame.
        await until(lambda: all(one.close_code for one in ignoring), "they are closed")
        await until(lambda: connections() <= 1, "no connection is left but one")
        codes = [one.close_code for one in ignoring]
        closed, left = mebibytes(), connections()
        slowest_pong = max(healthy.pongs)  # Later, returning clients use this process.
        assert {one.offset for one in ignoring} <= {window}, "No more than a window was sent."

        begin = loop.time()
        back = ignoring[:returning]
        for one in back:
            one.acknowledges = True
        async with following(back):
            await until(lambda: {one.offset for one in back} == {healthy.offset}, "all are level")
        seconds = loop.time() - begin
        assert healthy.close_code is None
    return Figures(before, full, after, closed, codes, left, seconds, slowest_pong)
