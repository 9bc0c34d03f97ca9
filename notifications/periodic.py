"""A thread that calls a function every few seconds."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from django.db import close_old_connections, connections

from notifications.http import with_script_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

SECONDS = 10.0


class PeriodicThread(threading.Thread):
    """Calls `job` at once and then every `seconds`, also after a call that failed.

    `name` is the name of the thread, which log lines show.
    """

    def __init__(
        self, job: Callable[[], object], seconds: float = SECONDS, *, name: str = "periodic"
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._job = with_script_prefix(job)
        self._seconds = seconds
        self._is_over = threading.Event()

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._tick()
                self._is_over.wait(self._seconds)
        finally:
            connections.close_all()

    def stop(self) -> None:
        """Make no more calls, and wait until the current one has ended."""
        self._is_over.set()
        self.join()

    def _tick(self) -> None:
        close_old_connections()
        try:
            self._job()
        # The next call may succeed after any error: the database may be back.
        except Exception:
            logger.exception("%s failed. The next try is in %g s.", self.name, self._seconds)
        finally:
            close_old_connections()
