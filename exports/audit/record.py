"""Record actions on exports and presets in the audit trail.

An entry copies the names of its objects, so it stays readable after they are renamed or deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.db.models.functions import Now
from django.db.models.signals import post_delete, pre_delete

from exports.models import Export, Preset
from notifications.audit.record import MAX_TEXT, About, record
from notifications.audit_actions import Action
from notifications.models import AuditEntry
from notifications.printable import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from django.contrib.auth.models import User

CHOSEN = ("format", "options", "params")  # The settings of a preset, without its team.
# An attribute of a deleted group. It passes the counts from `pre_delete` to `post_delete`.
SHARED = "_was_shared"


def record_action(
    action: Action,
    export: Export,
    *,
    by: User | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry about `export`, in the transaction of the caller."""
    details = {"exporter": export.exporter, "format": export.format, **(details or {})}
    about = About("export", str(export.pk), export.label)
    record(action, about, by=by, owner=export.owner, details=details)


def record_start(export: Export, *, by: User | None = None) -> None:
    """Record a new export, its origin if it repeats another one, and its team if it has one."""
    if export.origin_id is None:
        record_action(Action.EXPORT_STARTED, export, by=by)
    else:
        origin = {"origin": str(export.origin_id)}
        record_action(Action.EXPORT_REPEATED, export, by=by, details=origin)
    if export.team is not None:
        record_action(Action.EXPORT_SHARED, export, by=by, details={"team": export.team.name})


def record_saved_preset(preset: Preset, before: Preset | None) -> None:
    """Record that the owner has saved or changed a preset, and any change of its team.

    `before` is the preset that had the name until now. Saving it unchanged is not recorded.
    """
    old, new = before and before.team, preset.team
    if before is None:
        _record_preset(Action.PRESET_SAVED, preset, by=preset.owner)
    elif old != new or any(getattr(before, name) != getattr(preset, name) for name in CHOSEN):
        _record_preset(Action.PRESET_CHANGED, preset, by=preset.owner)
    if old is not None and old != new:
        _record_preset(Action.PRESET_UNSHARED, preset, by=preset.owner, team=old.name)
    if new is not None and old != new:
        _record_preset(Action.PRESET_SHARED, preset, by=preset.owner, team=new.name)


def has_saved_often(owner: User, limit: int, within: timedelta) -> bool:
    """Return whether `owner` has saved presets at least `limit` times in the last `within`."""
    saves = AuditEntry.objects.filter(
        actor_name=visible(owner.get_username(), MAX_TEXT),
        actor_key=visible(str(owner.pk), MAX_TEXT),
        action__in=[Action.PRESET_SAVED, Action.PRESET_CHANGED],
        at__gt=Now() - within,
    )
    return saves[:limit].count() == limit


def _record_preset(
    action: Action, preset: Preset, *, by: User | None = None, **details: Any
) -> None:
    about = About("preset", str(preset.pk), preset.name)
    details = {"exporter": preset.exporter, "format": preset.format, **details}
    record(action, about, by=by, owner=preset.owner, details=details)


def connect() -> None:
    """Connect the signals of Django. Called once, when the apps are ready."""
    post_delete.connect(_export_deleted, sender=Export)
    post_delete.connect(_preset_deleted, sender=Preset)
    pre_delete.connect(_before_team_deletion, sender=Group)
    post_delete.connect(_team_deleted, sender=Group)


def _export_deleted(instance: Export, **_: Any) -> None:
    """Record an export that `prune` deletes, or that is deleted with its owner."""
    record_action(Action.EXPORT_DELETED, instance, details={"rows": instance.rows_done})


def _preset_deleted(instance: Preset, **_: Any) -> None:
    """Record a preset that its owner deletes, or that is deleted with its owner."""
    if instance.name:  # Without a name they are the last settings, which no user has saved.
        _record_preset(Action.PRESET_DELETED, instance)


def _before_team_deletion(instance: Group, **_: Any) -> None:
    """Count the exports and presets of the team, because its deletion removes it from them."""
    counts = {
        Action.EXPORT_UNSHARED: {"exports": Export.objects.filter(team=instance).count()},
        Action.PRESET_UNSHARED: {"presets": Preset.objects.filter(team=instance).count()},
    }
    setattr(instance, SHARED, counts)


def _team_deleted(instance: Group, **_: Any) -> None:
    about = About("group", str(instance.pk), instance.name)
    for action, details in instance.__dict__.pop(SHARED, {}).items():
        if any(details.values()):
            record(action, about, details=details)
