"""Renews the leases of a worker that lives, whatever its loop is waiting for.

Counting a hundred million rows or storing a large file may take longer than a lease. A
thread goes on renewing meanwhile. It dies with its process, and stands still when the
process does: then the lease runs out, as it should.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection

from exports import parts
from exports.conf import conf

if TYPE_CHECKING:
    from types import TracebackType

    from exports.models import Export, Part

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps the claims on `export`, and on `part` while it is set, for as long as its block."""

    def __init__(self, export: Export) -> None:
        self.part: Part | None = None
        # Its own copy of what identifies the claim: the loop's object changes under it.
        self._export_id, self._attempt = export.pk, export.attempt
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease-keeper", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _renew(self) -> None:
        try:
            # Three chances before it runs out.
            while not self._is_over.wait(conf.LEASE_SECONDS / 3):
                try:
                    parts.renew(self._export_id, self._attempt, self.part)
                except DatabaseError as error:
                    # The next one may get through. If none does, another worker goes on.
                    logger.warning("A lease could not be renewed: %r", error)
                    # Django opens another for the next one. This one may be dead for good.
                    connection.close()
        finally:
            connection.close()
