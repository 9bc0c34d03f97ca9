"""The parts of a running export, for the workers that extract them.

Every UPDATE names the attempt that the worker was given. One that changes no row means that
the claim is lost: Stopped when the export was asked to pause or cancel, else Fenced.
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
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

COUNTERS = ("rows_done", "bytes", "protected_cells")


def save_plan(export: Export, parts: Iterable[Part], rows_total: int, **fields: Any) -> None:
    """Store the plan of `export` and begin to extract. A plan is made once an export.

    Save for one that reads a snapshot: there the parts of an earlier attempt are of another
    moment. They are forgotten, and their files are for the caller to delete.
    """
    with atomic():
        fields |= {"rows_total": rows_total, "stage": Stage.EXTRACTING, "read_from": Now()}
        export.parts.all().delete()
        _update(export, **fields)
        Part.objects.bulk_create(parts, batch_size=1_000)
        announce(export)


def expired() -> Q:
    """Parts whose worker has not been heard of for longer than a lease."""
    late = Q(lease_expires_at__lt=Now()) | Q(lease_expires_at=None)
    return late & Q(status=PartStatus.CLAIMED)


def claim(export: Export, *, helper: str = "") -> Part | None:
    """The next part that nobody has, with a lease; None when there is none.

    For the worker that holds the export, or for `helper`, the name of another. None also when
    the export was asked to stop, or is another attempt's.
    """
    free = Q(status=PartStatus.OPEN) | expired()
    mine = {"export__status": Status.RUNNING, "export__attempt": export.attempt}
    wanted = export.parts.filter(free, **mine)
    while True:
        with atomic():
            part = _unlocked(wanted.order_by("number")).first()
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
                # Still locked: a moment later it may be another's.
                part.refresh_from_db()
                return part


def _unlocked(parts: QuerySet[Part]) -> QuerySet[Part]:
    """Those of `parts` that nobody is about to take.

    Many who look at once would all try for the same one, and all but one try again: of a
    hundred workers each waited for most of the others.
    """
    if connections[parts.db].features.has_select_for_update_skip_locked:
        return parts.select_for_update(skip_locked=True, of=("self",))
    return parts


def release(parts: QuerySet[Part]) -> None:
    """Open those of `parts` that are claimed. Who had them is fenced."""
    parts.filter(status=PartStatus.CLAIMED).update(
        status=PartStatus.OPEN, lease_expires_at=None, **dict.fromkeys(COUNTERS, 0)
    )


def give_back(claimed: Iterable[Part]) -> None:
    """Open parts that this worker has claimed, for somebody else to take at once."""
    for part in claimed:
        release(Part.objects.filter(pk=part.pk, attempt=part.attempt))


def totals(export_id: uuid.UUID) -> dict[str, int]:
    """What its parts amount to by now."""
    sums = {name: Sum(name) for name in COUNTERS}
    found = Part.objects.filter(export=export_id).aggregate(**sums)
    return {name: found[name] or 0 for name in COUNTERS}


def all_done(export: Export) -> bool:
    """Whether every part is in storage."""
    return not export.parts.exclude(status=PartStatus.DONE).exists()


def tick(
    export: Export,
    part: Part | None = None,
    *,
    rate: float | None = None,
    lines: Sequence[dict[str, Any]] = (),
    **fields: Any,
) -> None:
    """Renew the leases, save the counters, and tell everyone. Writes nothing if fenced.

    For who holds the export. The counters of `part` are saved as they are; the export's own
    follow from all of its parts, those that others extract included.
    """
    with atomic():
        if part is not None:
            _update_part(part, lease_expires_at=until(), **_counters(part))
        counters = totals(export.pk)
        fields = {**counters, "rows_most": Greatest("rows_most", counters["rows_done"]), **fields}
        _update(export, rate=rate, **fields)
        log.append(export, lines)
        announce(export)


def keep(part: Part) -> None:
    """Renew its lease and save its counters, and nothing else: who holds the export tells of it.

    Raises Fenced or Stopped when the part is not to be finished.
    """
    with atomic():
        _update_part(part, lease_expires_at=until(), **_counters(part))
        if not Export.objects.filter(pk=part.export_id, status=Status.RUNNING).exists():
            raise Stopped(f"Export {part.export_id} does not run any more, or not just now.")


def log_helping(part: Part, *, lines: Sequence[dict[str, Any]]) -> None:
    """Append what a helper has logged, of a part that it has finished."""
    with atomic():
        log.append(Export.objects.only("pk").get(pk=part.export_id), lines)


def renew(export_id: uuid.UUID, attempt: int) -> None:
    """Renew the lease of this attempt, and nothing else. A lost claim stays lost."""
    held = Export.objects.filter(pk=export_id, attempt=attempt, status__in=HELD)
    held.update(lease_expires_at=until())


def renew_part(part: Part) -> None:
    """The same for a part."""
    mine = Part.objects.filter(pk=part.pk, status=PartStatus.CLAIMED, attempt=part.attempt)
    mine.update(lease_expires_at=until())


def finish(part: Part, *, file: str, crc32: int) -> None:
    """The part is in storage: record what it holds."""
    with atomic():
        fields = {"file": file, "crc32": crc32, "lease_expires_at": None}
        fields["rows_found"] = part.rows_found
        _update_part(part, status=PartStatus.DONE, **_counters(part), **fields)


def forget_files(export: Export) -> None:
    """Note that the parts of `export` are no longer in storage, so that they take no room."""
    export.parts.exclude(file="").update(file="")


def check(export: Export) -> None:
    """Raises Stopped or Fenced if this attempt has been ended."""
    if not _mine(export).filter(status=Status.RUNNING).exists():
        raise _why_lost(export)


def _counters(part: Part) -> dict[str, int]:
    return {name: getattr(part, name) for name in COUNTERS}


def _update_part(part: Part, **fields: Any) -> None:
    mine = Part.objects.filter(pk=part.pk, status=PartStatus.CLAIMED, attempt=part.attempt)
    if not mine.update(**fields):
        raise Fenced(
            f"Attempt {part.attempt} at part {part.number} of export {part.export_id} is over."
        )


def _update(export: Export, **fields: Any) -> None:
    fields |= {"lease_expires_at": until(), "version": F("version") + 1}
    if not _mine(export).filter(status=Status.RUNNING).update(**fields):
        raise _why_lost(export)
    reload(export)


def _mine(export: Export) -> QuerySet[Export]:
    return Export.objects.filter(pk=export.pk, attempt=export.attempt)


def _why_lost(export: Export) -> LostRace:
    if _mine(export).filter(status__in={Status.PAUSING, Status.CANCELLING}).exists():
        return Stopped(f"Export {export.pk} was asked to stop.")
    return Fenced(f"Attempt {export.attempt} of export {export.pk} is over.")
