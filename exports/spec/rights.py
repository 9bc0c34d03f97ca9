"""Recheck rights: of the owner while an export runs, and of a user who downloads its file.

Rights are checked at the request (`spec`), when a worker begins, while it works, before the export
succeeds, and at each download. A user who has lost a right in the meantime gets no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.exceptions import NotPermitted, RequestError
from exports.exporters import registry
from exports.i18n.message import Message
from exports.models import Export
from exports.spec import changelist
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def check_owner(export_id: Any) -> None:
    """Raise NotPermitted if the owner may not run this export any more.

    All rows are read again, because Django caches permissions on a user who is loaded.
    """
    export = Export.objects.select_related("owner", "team").filter(pk=export_id).first()
    if export is None:
        return  # The worker finds out by itself that the export is gone.
    owner, team = export.owner, export.team
    registry.permitted(owner, export.exporter)
    if team is not None and not teams_of(owner).filter(pk=team.pk).exists():
        raise NotPermitted(
            Message(
                "This export is shared with the team %(team)s, but its owner is no longer a "
                "member.",
                team=team.name,
            )
        )
    _check_list(owner, export)


def check_download(user: User, export: Export) -> None:
    """Raise NotPermitted or RequestError if `user`, who sees `export`, may not have its file.

    The owner of an export of an admin list must still be allowed to see that list. Members of
    the team that it is shared with need the exporter's permission alone.
    """
    registry.permitted(user, export.exporter)
    if export.owner_id == user.pk:
        _check_list(user, export)


def may_run(user: User, exporter: str) -> bool:
    """Return whether `user` has the permission of the exporter."""
    try:
        registry.permitted(user, exporter)
    except (NotPermitted, RequestError):
        return False
    return True


def may_see_list(user: User, export: Export) -> bool:
    """Return whether `user` may see the admin list of `export`.

    True without a check if another user owns the export, or if it is not of an admin list.
    `access.listed` annotates exports with `list_of`, the list's model, so that `params` need not be
    loaded.
    """
    try:
        if export.owner_id != user.pk:
            return True
        if not hasattr(export, "list_of"):
            _check_list(user, export)
        elif export.list_of is not None:
            changelist.check_permission(user, {"model": export.list_of}, export.context)
    except (NotPermitted, RequestError):
        return False
    return True


def may_download(user: User, export: Export) -> bool:
    """Return whether `user`, who sees `export`, may download its file."""
    return may_run(user, export.exporter) and may_see_list(user, export)


def _check_list(owner: User, export: Export) -> None:
    if (selection := export.params.get("changelist")) is not None:
        changelist.check_permission(owner, selection, export.context)
