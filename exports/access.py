"""Who may see an export: its owner, and who may view all of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from exports.models import Export
from notifications import access

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet


def visible_to(user: User) -> QuerySet[Export]:
    """The exports that `user` may open. For anybody else's, answer as if there were none."""
    if user.is_active and user.has_perm("exports.view_export"):
        return Export.objects.all()
    return Export.objects.filter(owner_id=user.pk)


def may_change(user: User, export: Export) -> bool:
    """Whether `user` may pause, resume and cancel `export`: to see it is not enough."""
    return export.owner_id == user.pk or user.has_perm("exports.change_export")


def register() -> None:
    """Let the streams of exports be read by those who may see the export."""
    access.register("export", _may_read)


def _may_read(user: User, rest: str) -> bool:
    try:
        export_id = uuid.UUID(rest)
    except ValueError:
        return False
    # One spelling: anything else would be another stream's name.
    return str(export_id) == rest and visible_to(user).filter(pk=export_id).exists()
