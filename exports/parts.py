"""The parts of a running export, for the worker that holds it.

Every UPDATE names the attempt that the worker was given. One that changes no row means that
the claim is lost: Stopped when the export was asked to pause or cancel, else Fenced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Q, Sum

from exports.announce import announce, capped
from exports.exceptions import Fenced, LostRace, Stopped
from exports.leases import Now, until
from exports.models import HELD, Export, Part, PartStatus, Stage, Status
from exports.snapshot import reload

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence


def save_plan(export: Export, parts: Iterable[Part], rows_total: int) -> None:
    """Store the plan of `export` and begin to extract. A plan is made once an export."""
    with transaction.atomic():
        _update(export, rows_total=rows_total, stage=Stage.EXTRACTING)
        Part.objects.bulk_create(parts, batch_size=1_000)
        announce(export)


def claim(export: Export) -> Part | None:
    """The next part that nobody has, with a lease; None when there is none."""
    free = Q(status=PartStatus.OPEN) | Q(status=PartStatus.CLAIMED, lease_expires_at__lt=Now())
    while part := export.parts.filter(free).order_by("number").first():
        taken = export.parts.filter(free, pk=part.pk, attempt=part.attempt).update(
            status=PartStatus.CLAIMED,
            attempt=F("attempt") + 1,
            worker=export.worker,
            lease_expires_at=until(),
            rows_done=0,
        )
        if taken:
            part.refresh_from_db()
            return part
    return None


def are_done(export: Export) -> bool:
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

    `part.rows_done` and `part.bytes` are saved as they are; the export's own follow from
    its parts.
    """
    with transaction.atomic():
        if part is not None:
            _update_part(part, lease_expires_at=until(), rows_done=part.rows_done, bytes=part.bytes)
            done = export.parts.aggregate(rows=Sum("rows_done"), bytes=Sum("bytes"))
            fields = {"rows_done": done["rows"] or 0, "bytes": done["bytes"] or 0, **fields}
        kept = capped(export, lines)
        _update(export, rate=rate, log_lines=F("log_lines") + len(lines), **fields)
        announce(export, lines=kept)


def renew(export_id: uuid.UUID, attempt: int, part: Part | None = None) -> None:
    """Renew the leases of this attempt, and nothing else. A lost claim stays lost."""
    held = Export.objects.filter(pk=export_id, attempt=attempt, status__in=HELD)
    held.update(lease_expires_at=until())
    if part is not None:
        mine = Part.objects.filter(pk=part.pk, status=PartStatus.CLAIMED, attempt=part.attempt)
        mine.update(lease_expires_at=until())


def finish(part: Part, *, file: str, sha256: str) -> None:
    """The part is in storage: record what it holds."""
    with transaction.atomic():
        _update_part(
            part,
            status=PartStatus.DONE,
            lease_expires_at=None,
            rows_done=part.rows_done,
            bytes=part.bytes,
            file=file,
            sha256=sha256,
        )
    part.refresh_from_db()


def _update_part(part: Part, **fields: Any) -> None:
    mine = Part.objects.filter(pk=part.pk, status=PartStatus.CLAIMED, attempt=part.attempt)
    if not mine.update(**fields):
        raise Fenced(f"Attempt {part.attempt} at {part} of export {part.export_id} is over.")


def _update(export: Export, **fields: Any) -> None:
    mine = Export.objects.filter(pk=export.pk, attempt=export.attempt)
    fields |= {"lease_expires_at": until(), "version": F("version") + 1}
    if not mine.filter(status=Status.RUNNING).update(**fields):
        raise _why_lost(export)
    reload(export)


def _why_lost(export: Export) -> LostRace:
    asked = {Status.PAUSING, Status.CANCELLING}
    if Export.objects.filter(pk=export.pk, attempt=export.attempt, status__in=asked).exists():
        return Stopped(f"Export {export.pk} was asked to stop.")
    return Fenced(f"Attempt {export.attempt} of export {export.pk} is over.")
