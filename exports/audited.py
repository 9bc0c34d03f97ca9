"""Record actions on exports in the audit trail, with the exporter, format and label of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db.models.signals import post_delete, pre_delete

from exports.models import Export
from notifications.audit.actions import Action
from notifications.audit.record import About, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User

# An attribute of a group. It carries the count from one signal to the next.
SHARED = "_shared_exports"


def record_action(
    action: Action,
    export: Export,
    *,
    by: User | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry about `export`, in the transaction of the caller."""
    what = {"exporter": export.exporter, "format": export.format, **(details or {})}
    about = About("export", str(export.pk), export.label)
    record(action, about, by=by, owner=export.owner, details=what)


def record_start(export: Export, *, by: User | None = None) -> None:
    """Record a new export: which one it repeats, if any, and which team may see it."""
    if export.origin_id is None:
        record_action(Action.EXPORT_STARTED, export, by=by)
    else:
        record_action(
            Action.EXPORT_REPEATED, export, by=by, details={"origin": str(export.origin_id)}
        )
    if export.team is not None:
        record_action(Action.EXPORT_SHARED, export, by=by, details={"team": export.team.name})


def connect() -> None:
    """Listen to Django. Called once, when the apps are ready."""
    post_delete.connect(_export_deleted, sender=Export)
    pre_delete.connect(_before_team_deletion, sender=Group)
    post_delete.connect(_team_deleted, sender=Group)


def _export_deleted(instance: Export, **_: Any) -> None:
    """Record it. `prune` deletes exports, and they go with their owner."""
    record_action(Action.EXPORT_DELETED, instance, details={"rows": instance.rows_done})


def _before_team_deletion(instance: Group, **_: Any) -> None:
    setattr(instance, SHARED, Export.objects.filter(team=instance).count())


def _team_deleted(instance: Group, **_: Any) -> None:
    if shared := instance.__dict__.pop(SHARED, 0):
        about = About("group", str(instance.pk), instance.name)
        record(Action.EXPORT_UNSHARED, about, details={"exports": shared})
