"""Recheck the rights of a user with an open socket.

The check runs each minute, and at once after a message that the rights of the user, or of all
users, may have changed. It has a task of its own, so a slow check delays neither heartbeats nor
items.
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

RECHECK_SECONDS = 60.0  # If a message is lost, a signed-out user gets items for at most this time.
RETRY_SECONDS = 1.0  # The pause after a check that failed.


class Recheck:
    """Calls `check` after each request, and after `every` seconds without a request.

    A check waits for one of the `slots`, which limit how many connections check at once.
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
                    # Cleared before the check, so that a request during it causes another check.
                    self._requested.clear()
                    self.is_running = True
                    await self._check()
            except DatabaseError as error:
                # Pushes continue without a database, so the check must not wait for the next
                # minute.
                self._requested.set()
                logger.warning("Could not recheck the rights of a user: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self.is_running = False
