"""Who may see an export: its owner, the team that it is shared with, and users who may view all."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.fields.json import KT

from exports.models import RELATED, Export
from notifications.streams.access import register as register_streams
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import Group, User
    from django.db.models import QuerySet


def visible_to(user: User) -> QuerySet[Export]:
    """Return the exports that `user` may see. All others must look as if they did not exist."""
    if user.is_active and user.has_perm("exports.view_export"):
        return Export.objects.select_related(*RELATED)
    return own_and_shared(user, teams_of(user))


def own_and_shared(user: User, teams: Collection[Group] | QuerySet[Group]) -> QuerySet[Export]:
    """Return the exports of `user` and those shared with `teams`, which are the user's teams.

    A list of teams is faster than a queryset, because the database then uses an index for each of
    the two conditions.
    """
    mine = Q(owner_id=user.pk) | Q(team__in=teams)
    return Export.objects.filter(mine).select_related(*RELATED)


def listed(exports: QuerySet[Export]) -> QuerySet[Export]:
    """Return `exports` for a list: without `params`, which are large and shown on no list.

    The annotation `list_of` is the model of the admin list that was exported, or None.
    """
    return exports.defer("params").annotate(list_of=KT("params__changelist__model"))


def may_change(user: User, export: Export) -> bool:
    """Return whether `user`, who may see `export`, may also pause, resume and cancel it."""
    return export.owner_id == user.pk or user.has_perm("exports.change_export")


def register() -> None:
    """Let the streams of an export be read by all users who may see it."""
    register_streams("export", _readable)


def _readable(user: User, names: Collection[str]) -> set[str]:
    exports = visible_to(user).filter(pk__in=filter(None, map(_export_id, names)))
    return {str(pk) for pk in exports.values_list("pk", flat=True)}


def _export_id(name: str) -> uuid.UUID | None:
    try:
        export_id = uuid.UUID(name)
    except ValueError:
        return None
    # Another spelling of the same id would be the name of another stream.
    return export_id if str(export_id) == name else None
