"""What exports write to the audit trail: each action with the export as it was called then."""

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

SHARED = "_shared_exports"  # an attribute of a group, from one signal to the next


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
    """Write that a new export was asked for, of which export it is the repetition, and who
    else may see it.
    """
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
    pre_delete.connect(_team_is_deleted, sender=Group)
    post_delete.connect(_team_deleted, sender=Group)


def _export_deleted(instance: Export, **_: Any) -> None:
    """By `prune`, or with its owner."""
    record_action(Action.EXPORT_DELETED, instance, details={"rows": instance.rows_done})


def _team_is_deleted(instance: Group, **_: Any) -> None:
    setattr(instance, SHARED, Export.objects.filter(team=instance).count())


def _team_deleted(instance: Group, **_: Any) -> None:
    if shared := instance.__dict__.pop(SHARED, 0):
        about = About("group", str(instance.pk), instance.name)
        record(Action.EXPORT_UNSHARED, about, details={"exports": shared})
