"""Who may see an export: its owner, the team that it is shared with, and who may view all."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.fields.json import KT

from exports.models import NAMED, Export
from notifications.streams import access
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import Group, User
    from django.db.models import QuerySet


def visible_to(user: User) -> QuerySet[Export]:
    """The exports that `user` may open. For anybody else's, answer as if there were none."""
    if user.is_active and user.has_perm("exports.view_export"):
        return Export.objects.select_related(*NAMED)
    return own_and_shared(user, teams_of(user))


def own_and_shared(user: User, teams: Collection[Group] | QuerySet[Group]) -> QuerySet[Export]:
    """The exports of `user` and those shared with `teams`, which are theirs.

    For a list give the teams themselves: a database has an index for each half then.
    """
    mine = Q(owner_id=user.pk) | Q(team__in=teams)
    return Export.objects.filter(mine).select_related(*NAMED)


def listed(exports: QuerySet[Export]) -> QuerySet[Export]:
    """Return `exports` for a list: without `params`, which are large and shown on no list.

    The annotation `list_of` is the model of the admin list that was exported, or None.
    """
    return exports.defer("params").annotate(list_of=KT("params__changelist__model"))


def may_change(user: User, export: Export) -> bool:
    """Whether `user` may pause, resume and cancel `export`: to see it is not enough."""
    return export.owner_id == user.pk or user.has_perm("exports.change_export")


def register() -> None:
    """Let the streams of exports be read by those who may see the export."""
    access.register("export", _readable)


def _readable(user: User, rests: Collection[str]) -> set[str]:
    exports = visible_to(user).filter(pk__in=filter(None, map(_export_id, rests)))
    return {str(pk) for pk in exports.values_list("pk", flat=True)}


def _export_id(rest: str) -> uuid.UUID | None:
    try:
        export_id = uuid.UUID(rest)
    except ValueError:
        return None
    # One spelling: anything else would be another stream's name.
    return export_id if str(export_id) == rest else None
