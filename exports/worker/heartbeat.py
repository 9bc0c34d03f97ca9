"""Renews the leases of a worker that lives, and looks whether it is wanted to stop.

Counting a hundred million rows or storing a large file may take longer than a lease. A
thread goes on renewing meanwhile. It dies with its process, and stands still when the
process does: then the lease runs out, as it should. The same thread ends a query that takes
long, when nobody wants its rows any more; and every 20 seconds it checks whether the owner may
still have them.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections

from exports.conf import conf
from exports.exceptions import NotPermitted
from exports.lifecycle import parts
from exports.models import Export
from exports.spec import rights
from exports.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from exports.models import Part

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5  # between two looks: who cancels sees that something happens
# An export stops within a minute when its owner loses the right, also behind a slow page of rows.
RIGHTS_SECONDS = 20.0


class Heartbeat:
    """Keeps the claims on `export`, and on those `parts` of it, for as long as its block.

    With `holds` false, on `parts` alone. When the export is not this worker's to go on with,
    or `should_stop` says so, `interrupt` is called, until the block ends.
    """

    def __init__(
        self,
        export: Export,
        *,
        holds: bool = True,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.parts: tuple[Part, ...] = ()
        self.interrupt: Callable[[], None] = lambda: None
        self.has_interrupted = False
        self.refusal: NotPermitted | None = None  # Why the owner may not have it any more.
        self._checked_at = time.monotonic()  # A worker checks rights itself when it begins.
        self._should_stop = should_stop
        # Its own copy of what identifies the claim: the loop's object changes under it.
        self._export_id, self._attempt, self._holds = export.pk, export.attempt, holds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    def add(self, part: Part) -> None:
        """Keep the claim on `part`, too."""
        self.parts += (part,)

    def remove(self, part: Part) -> None:
        """It is in storage: there is no claim any more."""
        self.parts = tuple(each for each in self.parts if each != part)

    def rest(self) -> None:
        """Interrupt nothing any more. On SQLite, what is done is on the same connection."""
        self.interrupt = lambda: None

    def raise_refusal(self) -> None:
        """Raise NotPermitted if the owner has lost the right meanwhile."""
        if self.refusal is not None:
            raise self.refusal

    def __enter__(self) -> Heartbeat:
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

    def _keep(self) -> None:
        # Three chances before the lease runs out.
        renew_seconds = conf.LEASE_SECONDS / 3
        renewed = time.monotonic()
        try:
            while not self._is_over.wait(min(LOOK_SECONDS, renew_seconds)):
                is_due = time.monotonic() - renewed >= renew_seconds
                renewed = time.monotonic() if is_due else renewed
                try:
                    self._look(renew=is_due)
                except DatabaseError as error:
                    # The next one may get through. If none does, another worker goes on.
                    logger.warning("A lease could not be renewed: %r", error)
                    # Django opens another for the next one. This one may be dead for good.
                    connections.close_all()
        finally:
            connections.close_all()

    def _look(self, *, renew: bool) -> None:
        if renew:
            self._renew()
        if self._holds and time.monotonic() - self._checked_at >= RIGHTS_SECONDS:
            self._checked_at = time.monotonic()
            self._check_rights()
        if self._should_stop() or self.refusal or self._is_lost():
            self.has_interrupted = True
            self.interrupt()

    def _check_rights(self) -> None:
        try:
            rights.check_owner(self._export_id)
        except NotPermitted as error:
            self.refusal = error
        except DatabaseError:
            raise
        # The project's own code decides about rights. Leases must be renewed whatever it raises.
        except Exception as error:  # noqa: BLE001
            logger.warning("The rights of the owner of an export could not be checked: %r", error)

    def _renew(self) -> None:
        if self._holds:
            parts.renew(self._export_id, self._attempt)
        for part in self.parts:
            parts.renew_part(part)

    def _is_lost(self) -> bool:
        # Not "whether it is mine": a row that cannot be seen says nothing.
        found = Export.objects.filter(pk=self._export_id)
        mine = {"status": Status.RUNNING} | ({"attempt": self._attempt} if self._holds else {})
        return found.exclude(**mine).exists()
