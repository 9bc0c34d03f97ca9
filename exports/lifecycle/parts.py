"""The parts of a running export, for the workers that extract them.

Every UPDATE names the attempt that the worker was given. If the UPDATE changes no row, the claim is
lost. Then the function raises Stopped if a user paused or cancelled the export, otherwise Fenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import F, Q, Sum
from django.db.models.functions import Greatest

from exports import log
from exports.exceptions import Fenced, LostRace, Stopped
from exports.lifecycle.announce import announce
from exports.lifecycle.leases import Now, until
from exports.models import Export, Part, PartStatus
from exports.serialize import reload
from exports.status import HELD, Stage, Status
from notifications.writing import atomic

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from exports.lifecycle.transitions import Lines

COUNTERS = ("rows_done", "bytes", "protected_cells")


def save_plan(export: Export, parts: Iterable[Part], rows_total: int, **fields: Any) -> None:
    """Store the plan of `export`, and set its stage to extracting.

    An export is planned once, unless it reads a snapshot: then each attempt plans again, because it
    reads the rows of another moment. Old parts are deleted; the caller deletes their files.
    """
    with atomic():
        fields |= {"rows_total": rows_total, "stage": Stage.EXTRACTING, "read_from": Now()}
        export.parts.all().delete()
        _update(export, **fields)
        Part.objects.bulk_create(parts, batch_size=1_000)
        announce(export)


def expired() -> Q:
    """Match claimed parts whose lease has expired."""
    late = Q(lease_expires_at__lt=Now()) | Q(lease_expires_at=None)
    return late & Q(status=PartStatus.CLAIMED)


def claim(export: Export, *, helper: str = "") -> Part | None:
    """Claim the next free part and return it. Return None if there is none.

    The claim is for the holder of the export, or for the worker named `helper`. Also returns None
    if the export is no longer running, or has another attempt.
    """
    free = Q(status=PartStatus.OPEN) | expired()
    mine = {"export__status": Status.RUNNING, "export__attempt": export.attempt}
    wanted = export.parts.filter(free, **mine).order_by("number")
    if connections[wanted.db].features.has_select_for_update_skip_locked:
        # Otherwise many workers would try to claim the same part, and all but one would retry.
        wanted = wanted.select_for_update(skip_locked=True, of=("self",))
    while True:
        with atomic():
            part = wanted.first()
            if part is None:
                return None
            taken = export.parts.filter(free, pk=part.pk, attempt=part.attempt).update(
                status=PartStatus.CLAIMED,
                attempt=F("attempt") + 1,
                worker=helper or export.worker,
                by_helper=bool(helper),
                lease_expires_at=until(),
                **dict.fromkeys(COUNTERS, 0),
            )
            if taken:
                # Inside the transaction, because the row is still locked.
                part.refresh_from_db()
                return part


def reopen(parts: QuerySet[Part]) -> None:
    """Reopen those of `parts` that are claimed. Their workers are fenced."""
    parts.filter(status=PartStatus.CLAIMED).update(
        status=PartStatus.OPEN, lease_expires_at=None, **dict.fromkeys(COUNTERS, 0)
    )


def reopen_claimed(claimed: Iterable[Part]) -> None:
    """Reopen the parts that this worker has claimed, so that another worker can claim them."""
    for part in claimed:
        reopen(Part.objects.filter(pk=part.pk, attempt=part.attempt))


def totals(export_id: uuid.UUID) -> dict[str, int]:
    """Return the counters of the export: the sums over its parts."""
    sums = {name: Sum(name) for name in COUNTERS}
    found = Part.objects.filter(export=export_id).aggregate(**sums)
    return {name: found[name] or 0 for name in COUNTERS}


def all_done(export: Export) -> bool:
    """Return whether every part is in storage."""
    return not export.parts.exclude(status=PartStatus.DONE).exists()


def tick(
    export: Export,
    part: Part | None = None,
    *,
    rate: float | None = None,
    lines: Lines = (),
    **fields: Any,
) -> None:
    """Renew the leases of the holder of the export, save the counters and publish them.

    The counters of `part` are saved as they are; the counters of the export are the sums over all
    parts, including the parts of helpers. Raises Stopped or Fenced, and then writes nothing.
    """
    with atomic():
        if part is not None:
            _update_part(part, lease_expires_at=until(), **_counters(part))
        counters = totals(export.pk)
        fields = {**counters, "rows_most": Greatest("rows_most", counters["rows_done"]), **fields}
        _update(export, rate=rate, **fields)
        log.append(export, lines)
        announce(export)


def save_progress(part: Part) -> None:
    """Renew the lease of `part` and save its counters. The holder of the export publishes them.

    Raises Fenced or Stopped if the part should not be finished.
    """
    with atomic():
        _update_part(part, lease_expires_at=until(), **_counters(part))
        if not Export.objects.filter(pk=part.export_id, status=Status.RUNNING).exists():
            raise Stopped(f"Export {part.export_id} is not running any more.")


def append_log(part: Part, *, lines: Lines) -> None:
    """Append the log lines of a helper that has finished `part` to the log of its export."""
    with atomic():
        log.append(Export.objects.only("pk").get(pk=part.export_id), lines)


def renew(export_id: uuid.UUID, attempt: int) -> None:
    """Renew the lease of an attempt at an export. Do nothing if the attempt is over."""
    held = Export.objects.filter(pk=export_id, attempt=attempt, status__in=HELD)
    held.update(lease_expires_at=until())


def renew_part(part: Part) -> None:
    """Renew the lease of a part. Do nothing if the attempt at it is over."""
    _held_part(part).update(lease_expires_at=until())


def finish(part: Part, *, file: str, crc32: int) -> None:
    """Record that the part is in storage, as `file`."""
    with atomic():
        _update_part(
            part,
            status=PartStatus.DONE,
            file=file,
            crc32=crc32,
            rows_found=part.rows_found,
            lease_expires_at=None,
            **_counters(part),
        )


def forget_files(export: Export) -> None:
    """Record that the parts of `export` are no longer in storage. They stop counting as stored."""
    export.parts.exclude(file="").update(file="")


def check(export: Export) -> None:
    """Raise Stopped or Fenced if this attempt should not continue."""
    if not _held(export).filter(status=Status.RUNNING).exists():
        raise _why_lost(export)


def _counters(part: Part) -> dict[str, int]:
    return {name: getattr(part, name) for name in COUNTERS}


def _held_part(part: Part) -> QuerySet[Part]:
    return Part.objects.filter(pk=part.pk, status=PartStatus.CLAIMED, attempt=part.attempt)


def _update_part(part: Part, **fields: Any) -> None:
    if not _held_part(part).update(**fields):
        raise Fenced(
            f"Attempt {part.attempt} at part {part.number} of export {part.export_id} is over."
        )


def _update(export: Export, **fields: Any) -> None:
    fields |= {"lease_expires_at": until(), "version": F("version") + 1}
    if not _held(export).filter(status=Status.RUNNING).update(**fields):
        raise _why_lost(export)
    reload(export)


def _held(export: Export) -> QuerySet[Export]:
    return Export.objects.filter(pk=export.pk, attempt=export.attempt)


def _why_lost(export: Export) -> LostRace:
    if _held(export).filter(status__in={Status.PAUSING, Status.CANCELLING}).exists():
        return Stopped(f"Export {export.pk} was paused or cancelled.")
    return Fenced(f"Attempt {export.attempt} of export {export.pk} is over.")
