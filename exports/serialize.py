"""The JSON of an export: one schema for pages, the API, streams and the `export` command."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID  # noqa: TC003 - pydantic reads the annotations

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, PlainSerializer

from exports.models import RELATED, Export
from exports.status import Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# RFC 3339. Pydantic's own form ends in "Z" instead of "+00:00".
Time = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str)]


class Owner(BaseModel):
    username: str
    name: str


class Team(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class Links(BaseModel):
    self: str
    download: str | None


class ExportOut(BaseModel):
    """The state of an export. `rows_total` is null until the rows are counted.

    `rate` is in rows a second, `eta` in seconds. A higher `version` is a newer state.
    """

    id: UUID
    owner: Owner
    team: Team | None
    exporter: str
    label: str
    format: str
    options: dict[str, bool | str]
    consistency: str
    origin: UUID | None
    status: str
    stage: str
    waits_for: Literal["", "space"]
    rows_done: int
    rows_again: int
    rows_total: int | None
    rows_added: int
    rows_removed: int
    assembled: float | None
    bytes: int
    protected_cells: int
    rate: float | None
    eta: float | None
    attempt: int
    version: int
    queue_position: int | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    read_from: Time | None
    read_until: Time | None
    expires_at: Time | None
    error: str
    links: Links

    @classmethod
    def of(
        cls,
        export: Export,
        positions: Mapping[UUID, int] | None = None,
        *,
        routes: tuple[str, str] = ("exports:detail", "exports:file"),
    ) -> ExportOut:
        """Return the state of `export`, with links to the `routes` of itself and its file.

        For a list of exports pass `positions` from `queue_positions`, which takes a single query.
        """
        username = export.owner.get_username()
        # A custom user model need not have full names.
        full_name = getattr(export.owner, "get_full_name", str)()
        page, file = (reverse(route, args=[export.pk]) for route in routes)
        is_assembling = export.stage == Stage.ASSEMBLING
        derived = {
            "owner": Owner(username=username, name=full_name or username),
            "origin": export.origin_id,
            "waits_for": export.waits_for if export.status == Status.QUEUED else "",
            "assembled": round(export.assembled, 3) if is_assembling else None,
            "rate": None if export.rate is None else round(export.rate, 1),
            "eta": _eta(export),
            "queue_position": (positions or {}).get(export.pk) or queue_position(export),
            "links": Links(self=page, download=file if export.has_file(timezone.now()) else None),
        }
        stored = {name: getattr(export, name) for name in cls.model_fields if name not in derived}
        return cls.model_validate(stored | derived)


def snapshot(export: Export, positions: Mapping[UUID, int] | None = None) -> dict[str, Any]:
    """Return the state of `export` as plain JSON types, as pages and streams have it."""
    return ExportOut.of(export, positions).model_dump(mode="json")


def _eta(export: Export) -> float | None:
    """Return the seconds until the stage ends at the current rate, if that is known."""
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
    # SQLite compares texts, and "0.5" is less than "0.500000": the export would precede itself.
    return ahead.exclude(pk=export.pk).count() + 1


def queue_positions(exports: Iterable[Export]) -> dict[UUID, int]:
    """Return the position of each queued export, in one query."""
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
    """Read `export` again, with the related rows that its JSON names, in one query."""
    export.refresh_from_db(from_queryset=Export.objects.select_related(*RELATED))
