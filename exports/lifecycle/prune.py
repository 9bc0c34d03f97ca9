"""Delete expired files, leftovers, and old exports.

Each step deletes only data of exports that are expired, failed, cancelled or have no row, none of
which can start again. So `prune` may run at any time, on any host, and twice at once. A download
that has already opened its file continues.
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
from exports.lifecycle import parts
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

BATCH = 200  # Exports in one query.
# Time for an operator to examine the parts of a failed export, or to notice that two deployments
# share a storage.
LEFTOVERS_KEPT = timedelta(days=1)
# After this many failures in a row, the whole storage is considered unavailable.
MAX_FAILURES = 5


@dataclass
class Pruned:
    """How many of each were deleted, or would be deleted in a dry run."""

    expired: int = 0  # Exports whose file had expired.
    ended: int = 0  # Failed and cancelled exports that had left parts.
    orphans: int = 0  # Folders without an export.
    streams: int = 0  # Streams without an export: it was deleted with its owner.
    work_files: int = 0
    exports: int = 0  # Old exports, with their streams.
    undeleted: int = 0  # Exports with files that the storage failed to delete.


def prune(days: int, *, dry_run: bool = False) -> Pruned:
    """Delete everything that is due, and the exports that ended more than `days` ago.

    Raises StorageFailed or OSError if the storage fails repeatedly. The next call continues from
    there.
    """
    run = _Run(dry_run=dry_run)
    run.expired_files()
    run.old_exports(days)
    run.leftovers()
    run.streams()
    run.work_files()
    return run.done


class _Run:
    """One run. It handles each export once, even if several steps find it."""

    def __init__(self, *, dry_run: bool) -> None:
        self.done = Pruned()
        self._dry_run = dry_run
        self._deleted: set[UUID] = set()
        self._undeleted: set[UUID] = set()
        self._failures = 0  # In a row.

    def expired_files(self) -> None:
        expired = Export.objects.filter(status=Status.SUCCEEDED, expires_at__lte=Now())
        for export in _each(expired.exclude(file="")):
            self.done.expired += self._delete_files(export, Action.EXPORT_EXPIRED)

    def old_exports(self, days: int) -> None:
        old = Export.objects.filter(status__in=FINAL, finished_at__lt=Now() - timedelta(days=days))
        # A file may expire later than exports are deleted.
        for export in _each(old.exclude(status=Status.SUCCEEDED, expires_at__gt=Now())):
            if not self._delete_files(export):
                continue
            self.done.exports += 1
            if not self._dry_run:
                forget(export.stream)
                # The row is last, so that an interrupted run finds it again. Recheck its status.
                Export.objects.filter(pk=export.pk, status__in=FINAL).delete()
                logger.info("Export %s deleted.", export.pk)

    def leftovers(self) -> None:
        """Delete files of exports that failed, were cancelled, or have no row any more."""
        with_parts = Exists(Part.objects.filter(export=OuterRef("pk")).exclude(file=""))
        for export in _each(_ended().filter(with_parts)):
            self._delete_leftovers(export)
        # No row names the files of lost attempts. They are found by their folder.
        for ids in _batches(sorted(storage.export_ids())):
            for export_id in _without_row(ids):
                self._delete_orphan(export_id)
            for export in _ended().filter(pk__in=ids):
                self._delete_leftovers(export)

    def streams(self) -> None:
        """Delete streams of exports that have no row any more."""
        names = Stream.objects.filter(name__startswith="export-").values_list("name", flat=True)
        ids = [export_id for name in names if (export_id := _export_id(name)) is not None]
        for batch in _batches(ids):
            # An export and its stream are saved together. So without a row, the export was deleted.
            for export_id in _without_row(batch):
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
        stored_at = storage.last_stored_at(export_id)
        # A new folder may belong to another deployment that shares the storage.
        if stored_at is not None and stored_at > timezone.now() - LEFTOVERS_KEPT:
            return
        self.done.orphans += self._delete(export_id, partial(storage.delete_folder, export_id))

    def _delete_files(self, export: Export, action: Action | None = None) -> bool:
        """Delete all files of `export` and their names, and record `action`. Return whether it did."""
        if not self._delete(export.pk, partial(storage.delete_all, export)):
            return False
        if not self._dry_run:
            with atomic():
                parts.forget_files(export)
                changed = Export.objects.filter(pk=export.pk).exclude(file="").update(file="")
                if changed and action:
                    record_action(action, export, details={"bytes": export.bytes})
        return True

    def _delete(self, export_id: UUID, delete: Callable[[], int]) -> bool:
        if export_id in self._undeleted:
            return False
        try:
            if not self._dry_run:
                logger.info("Export %s: %s files deleted.", export_id, delete())
        except (OSError, StorageFailed) as error:
            logger.warning("The files of export %s could not be deleted: %s", export_id, error)
            self._undeleted.add(export_id)
            self.done.undeleted = len(self._undeleted)
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                raise
            return False
        self._deleted.add(export_id)
        self._failures = 0
        return True


def _export_id(stream: str) -> UUID | None:
    """Return the id of the export that has this stream; None if the stream is not of an export."""
    with suppress(ValueError):
        export_id = UUID(stream.removeprefix("export-"))
        # UUID() also accepts other spellings, which no export uses.
        return export_id if stream == f"export-{export_id}" else None
    return None


def _without_row(ids: list[UUID]) -> list[UUID]:
    known = set(Export.objects.filter(pk__in=ids).values_list("pk", flat=True))
    return [export_id for export_id in ids if export_id not in known]


def _ended() -> QuerySet[Export]:
    ended = Export.objects.filter(status__in={Status.FAILED, Status.CANCELLED})
    return ended.filter(finished_at__lt=Now() - LEFTOVERS_KEPT)


def _each(found: QuerySet[Export]) -> Iterator[Export]:
    """Yield the exports, which are read in batches. Ids are read first, because steps change rows."""
    for ids in _batches(list(found.order_by("finished_at").values_list("pk", flat=True))):
        exports = Export.objects.defer("params").in_bulk(ids)
        yield from (exports[pk] for pk in ids if pk in exports)


def _batches(ids: list[UUID]) -> Iterator[list[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
