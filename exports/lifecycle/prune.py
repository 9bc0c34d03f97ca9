"""Delete what nobody can have any more: expired files, leftovers, and old exports.

Each step looks at an export that cannot come back to life: expired, failed or cancelled, or
without a row. So it is safe while everything runs, anywhere, and twice at once: what is gone
already is no matter. Who is downloading a file keeps it open, and gets the rest of it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from exports.audit.record import record_action
from exports.exceptions import StorageFailed
from exports.files import storage
from exports.lifecycle.leases import Now
from exports.models import Export, Part
from exports.status import FINAL, Status
from notifications.audit_actions import Action
from notifications.models import Stream
from notifications.streams.prune import forget
from notifications.writing import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import QuerySet

logger = logging.getLogger(__name__)

BATCH = 200  # exports a query

# Long enough to look at what is left of a failed export, and to notice that this deployment
# looks at the files of another.
LEFTOVERS_KEPT = timedelta(days=1)

# So many refusals in a row are no matter of one file: the storage is away.
MAX_REFUSALS = 5


@dataclass
class Pruned:
    """How many of each were deleted, or would be."""

    expired: int = 0  # exports whose file had expired
    ended: int = 0  # failed and cancelled exports that had left parts
    orphans: int = 0  # folders without an export
    streams: int = 0  # streams without an export: it was deleted with its owner
    work_files: int = 0
    exports: int = 0  # old exports, with all that is known of them
    refused: int = 0  # exports of which the storage did not delete something


def prune(days: int, *, dry_run: bool = False) -> Pruned:
    """Delete what is due, and the exports that ended more than `days` ago.

    Raises StorageFailed or OSError when the storage refuses again and again. What was
    deleted until then stays deleted, and the rest is for the next time.
    """
    run = _Run(dry_run=dry_run)
    run.expired_files()
    run.old_exports(days)
    run.leftovers()
    run.streams()
    run.work_files()
    return run.done


class _Run:
    """One look at everything. What it has dealt with, it does not come back to."""

    def __init__(self, *, dry_run: bool) -> None:
        self.done = Pruned()
        self._dry_run = dry_run
        self._deleted: set[UUID] = set()
        self._refused: set[UUID] = set()
        self._refusals = 0  # in a row

    def expired_files(self) -> None:
        for export in _each(_expired()):
            self.done.expired += self._delete_files(export, Action.EXPORT_EXPIRED)

    def old_exports(self, days: int) -> None:
        for export in _each(_old(days)):
            if self._delete_files(export):
                self.done.exports += 1
                self._forget(export)

    def leftovers(self) -> None:
        """What failed, was cancelled, or has no row any more, and still has files."""
        with_parts = Exists(Part.objects.filter(export=OuterRef("pk")).exclude(file=""))
        for export in _each(_ended().filter(with_parts)):
            self._delete_leftovers(export)
        # What lost attempts have left is named by no row: only its folder tells.
        for ids in _batches(sorted(storage.folders())):
            known = set(Export.objects.filter(pk__in=ids).values_list("pk", flat=True))
            for export_id in ids:
                if export_id not in known:
                    self._delete_orphan(export_id)
            for export in _ended().filter(pk__in=ids):
                self._delete_leftovers(export)

    def streams(self) -> None:
        """What exports have told of, and nobody can read any more."""
        names = Stream.objects.filter(name__startswith="export-").values_list("name", flat=True)
        ids = [export_id for name in names if (export_id := _id_in(name)) is not None]
        for some in _batches(ids):
            # Both are saved in one transaction, so whose stream is seen is there, or was.
            known = set(Export.objects.filter(pk__in=some).values_list("pk", flat=True))
            for export_id in some:
                if export_id not in known:
                    self.done.streams += 1
                    if not self._dry_run:
                        forget(f"export-{export_id}")

    def work_files(self) -> None:
        for path in storage.dead_work_files():
            self.done.work_files += 1
            if not self._dry_run:
                path.unlink(missing_ok=True)

    def _delete_leftovers(self, export: Export) -> None:
        if export.pk not in self._deleted:
            self.done.ended += self._delete_files(export)

    def _delete_orphan(self, export_id: UUID) -> None:
        newest = storage.newest(export_id)
        # A day to notice that these are the files of another deployment.
        if newest is not None and newest > timezone.now() - LEFTOVERS_KEPT:
            return
        self.done.orphans += self._has_deleted(export_id, partial(storage.delete_folder, export_id))

    def _delete_files(self, export: Export, action: Action | None = None) -> bool:
        """Delete all files of `export`, and let no row name one any more.

        `action` is what the audit trail says of it.
        """
        if not self._has_deleted(export.pk, partial(storage.delete_all, export)):
            return False
        if not self._dry_run:
            with atomic():
                export.parts.exclude(file="").update(file="")
                changed = Export.objects.filter(pk=export.pk).exclude(file="").update(file="")
                if changed and action:
                    record_action(action, export, details={"bytes": export.bytes})
        return True

    def _has_deleted(self, export_id: UUID, delete: Callable[[], int]) -> bool:
        if export_id in self._refused:
            return False
        try:
            if not self._dry_run:
                logger.info("Export %s: %s files deleted.", export_id, delete())
        except (OSError, StorageFailed) as error:
            logger.warning("The files of export %s could not be deleted: %s", export_id, error)
            self._refused.add(export_id)
            self.done.refused = len(self._refused)
            self._refusals += 1
            if self._refusals >= MAX_REFUSALS:
                raise
            return False
        self._deleted.add(export_id)
        self._refusals = 0
        return True

    def _forget(self, export: Export) -> None:
        if self._dry_run:
            return
        forget(export.stream)
        # Last, so that what was not finished is found again; and with its status once more.
        Export.objects.filter(pk=export.pk, status__in=FINAL).delete()
        logger.info("Export %s is forgotten.", export.pk)


def _id_in(name: str) -> UUID | None:
    """The export that a stream of this name is of; None if it is of something else."""
    with suppress(ValueError):
        export_id = UUID(name.removeprefix("export-"))
        return export_id if name == f"export-{export_id}" else None
    return None


def _expired() -> QuerySet[Export]:
    offered_once = Export.objects.filter(status=Status.SUCCEEDED).exclude(file="")
    return offered_once.filter(expires_at__lte=Now())


def _ended() -> QuerySet[Export]:
    over = Export.objects.filter(status__in={Status.FAILED, Status.CANCELLED})
    return over.filter(finished_at__lt=Now() - LEFTOVERS_KEPT)


def _old(days: int) -> QuerySet[Export]:
    old = Export.objects.filter(status__in=FINAL, finished_at__lt=Now() - timedelta(days=days))
    # A file may be offered for longer than exports are remembered.
    return old.exclude(status=Status.SUCCEEDED, expires_at__gt=Now())


def _each(found: QuerySet[Export]) -> Iterator[Export]:
    """The exports that are found now, a batch at a time: what is done with one changes it."""
    for ids in _batches(list(found.order_by("finished_at").values_list("pk", flat=True))):
        exports = Export.objects.defer("params").in_bulk(ids)
        yield from (exports[pk] for pk in ids if pk in exports)


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
