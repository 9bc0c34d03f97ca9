"""When somebody with an open socket is asked again whether they may listen.

Each minute, and at once when the hub has heard that their rights, or everybody's, may have
changed. It runs beside the heartbeats, so a question that takes long holds up nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 60.0  # How long a signed-out user may at most go on listening.
RETRY_SECONDS = 1.0  # Before a database that could not be asked is asked again.


class Recheck:
    """Asks with `ask` whenever there is a doubt, and after `every` seconds without one.

    It waits for one of the `slots`, which it shares with the other connections.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        slots: asyncio.Semaphore,
        every: float | None = None,
    ) -> None:
        self._check = check
        self._slots = slots
        self._every = every
        self._requested = asyncio.Event()
        self.is_running = False

    def request(self) -> None:
        self._requested.set()

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._requested.wait()
            try:
                async with self._slots:
                    # Before the question: a doubt that comes meanwhile asks again.
                    self._requested.clear()
                    self.is_running = True
                    await self._check()
            except DatabaseError as error:
                # Pushes need no database: until somebody can be asked, the doubt stays.
                self._requested.set()
                logger.warning("Could not ask whether a user may stay: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self.is_running = False
