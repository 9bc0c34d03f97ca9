"""Renew the leases of a worker in a thread, and check whether it should stop.

Counting a hundred million rows or storing a large file may take longer than a lease, so a thread
renews it. The thread ends or freezes together with its process, and then the lease expires. Every
20 seconds it checks whether the owner still has the right to the export. It interrupts a long query
if the export should stop.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

from django.db import DatabaseError, connections

from exports.conf import conf
from exports.exceptions import NotPermitted
from exports.lifecycle import parts
from exports.models import Export
from exports.spec import rights
from exports.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from exports.models import Part

logger = logging.getLogger(__name__)

CHECK_SECONDS = 0.5  # Between two checks, so that a cancel takes effect quickly.
# An export stops within a minute after its owner has lost a right, even during a slow query.
RIGHTS_SECONDS = 20.0


class Heartbeat:
    """Keep the claims on `export` and on its `parts` while the block runs.

    With `holds=False` keep only the claims on parts. Call `interrupt` repeatedly once the claim on
    the export is lost, the owner has lost a right, or `should_stop` returns True.
    """

    def __init__(
        self, export: Export, *, holds: bool = True, should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.parts: tuple[Part, ...] = ()
        self.interrupt: Callable[[], None] = lambda: None
        self.has_interrupted = False
        self.refusal: NotPermitted | None = None  # Set when the owner has lost a right.
        self._checked_at = time.monotonic()  # The worker itself checks rights when it begins.
        self._should_stop = should_stop
        # Copies, because the worker changes `export` in its own thread.
        self._export_id, self._attempt, self._holds = export.pk, export.attempt, holds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def add(self, part: Part) -> None:
        """Keep the claim on `part` as well."""
        self.parts += (part,)

    def remove(self, part: Part) -> None:
        """Drop the claim on `part`, because it is in storage."""
        self.parts = tuple(each for each in self.parts if each != part)

    def stop_interrupting(self) -> None:
        """Interrupt no more queries. On SQLite, cleaning up uses the same connection."""
        self.interrupt = lambda: None

    def raise_refusal(self) -> None:
        """Raise NotPermitted if the owner has lost a right."""
        if self.refusal is not None:
            raise self.refusal

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        # A third, so that a renewal that fails can be repeated before the lease expires.
        renew_seconds = conf.LEASE_SECONDS / 3
        renewed = time.monotonic()
        try:
            while not self._is_over.wait(min(CHECK_SECONDS, renew_seconds)):
                is_due = time.monotonic() - renewed >= renew_seconds
                renewed = time.monotonic() if is_due else renewed
                try:
                    self._check(renew=is_due)
                except DatabaseError as error:
                    # The next try may succeed. If none does, another worker takes over.
                    logger.warning("A lease could not be renewed: %r", error)
                    # The connection may be broken. Django opens a new one for the next try.
                    connections.close_all()
        finally:
            connections.close_all()

    def _check(self, *, renew: bool) -> None:
        if renew and self._holds:
            parts.renew(self._export_id, self._attempt)
        if renew:
            for part in self.parts:
                parts.renew_part(part)
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
        # The project's code may raise anything, but the leases must still be renewed.
        except Exception as error:  # noqa: BLE001
            logger.warning("The rights of the owner of an export could not be checked: %r", error)

    def _is_lost(self) -> bool:
        # With exclude(), because an export that has no row any more must not count as lost.
        found = Export.objects.filter(pk=self._export_id)
        mine = {"status": Status.RUNNING} | ({"attempt": self._attempt} if self._holds else {})
        return found.exclude(**mine).exists()
