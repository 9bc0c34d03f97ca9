"""An export as JSON. Pages, the API and streams all have this one form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from exports.models import RELATED, Export
from exports.status import Stage, Status

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from django.contrib.auth.models import User


def snapshot(export: Export, positions: Mapping[uuid.UUID, int] | None = None) -> dict[str, Any]:
    """Return `export` as JSON. Times are RFC 3339, `rate` is rows per second, `eta` is seconds.

    For a list of exports, read the `positions` of all with one queue_positions().
    """
    return {
        "id": str(export.pk),
        "owner": {"username": export.owner.get_username(), "name": _name(export.owner)},
        "team": None if export.team is None else {"id": export.team.pk, "name": export.team.name},
        "exporter": export.exporter,
        "label": export.label,
        "format": export.format,
        "options": export.options,
        "consistency": export.consistency,
        "origin": None if export.origin_id is None else str(export.origin_id),
        "status": str(export.status),
        "stage": str(export.stage),
        "waits_for": str(export.waits_for) if export.status == Status.QUEUED else "",
        "rows_done": export.rows_done,
        "rows_again": export.rows_again,
        "rows_total": export.rows_total,
        "rows_added": export.rows_added,
        "rows_removed": export.rows_removed,
        "assembled": assembled(export),
        "bytes": export.bytes,
        "protected_cells": export.protected_cells,
        "rate": None if export.rate is None else round(export.rate, 1),
        "eta": eta(export),
        "attempt": export.attempt,
        "version": export.version,
        "queue_position": (positions or {}).get(export.pk) or queue_position(export),
        "created_at": _text(export.created_at),
        "started_at": _text(export.started_at),
        "finished_at": _text(export.finished_at),
        "read_from": _text(export.read_from),
        "read_until": _text(export.read_until),
        "expires_at": _text(export.expires_at),
        "error": export.error,
        "links": {
            "self": export.get_absolute_url(),
            "download": (
                reverse("exports:file", args=[export.pk])
                if export.has_file(timezone.now())
                else None
            ),
        },
    }


def assembled(export: Export) -> float | None:
    """Return the assembled share of the file, from 0 to 1; None while no worker assembles it."""
    return round(export.assembled, 3) if export.stage == Stage.ASSEMBLING else None


def eta(export: Export) -> float | None:
    """Return the seconds until the current stage ends at the current rate; None if unknown."""
    if export.status != Status.RUNNING or not export.rate or export.rows_total is None:
        return None
    if export.stage == Stage.ASSEMBLING:
        left = export.rows_total * (1 - export.assembled)
    else:
        left = export.rows_total - export.rows_done
    return round(max(left, 0) / export.rate, 1)


def queue_position(export: Export) -> int | None:
    """Return the position of `export` in the queue, from 1; None if it is not queued."""
    if export.status != Status.QUEUED:
        return None
    ahead = Export.objects.filter(status=Status.QUEUED, queued_at__lt=export.queued_at)
    # SQLite compares times as texts, so "0.5" is less than "0.500000": exclude the export itself.
    return ahead.exclude(pk=export.pk).count() + 1


def queue_positions(exports: Iterable[Export]) -> dict[uuid.UUID, int]:
    """Return the queue_position() of all queued `exports`, by key, with one query."""
    queued = [export.pk for export in exports if export.status == Status.QUEUED]
    if not queued:
        return {}
    ahead = (
        Export.objects.filter(status=Status.QUEUED, queued_at__lt=OuterRef("queued_at"))
        .order_by()
        .values("status")
        .annotate(count=Count("pk"))
        .values("count")
    )
    placed = Export.objects.filter(pk__in=queued).annotate(place=Coalesce(Subquery(ahead), 0) + 1)
    return dict(placed.values_list("pk", "place"))


def reload(export: Export) -> None:
    """Read `export` again, together with its owner and team, in one query."""
    export.refresh_from_db(from_queryset=Export.objects.select_related(*RELATED))


def _name(user: User) -> str:
    # A custom user model may have no full names.
    full_name = user.get_full_name() if hasattr(user, "get_full_name") else ""
    return full_name or user.get_username()


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
