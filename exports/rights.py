"""Whether somebody may still have an export: its owner while it runs, a reader its file.

Rights are asked at the request (`question`), when a worker begins, while it works, before the
file is there, and at each download. Whoever has lost one in between gets nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports import changelist, query
from exports.exceptions import NotPermitted, RequestError
from exports.models import Export
from exports.reasons import spoken
from notifications.access import teams_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def check_owner(export_id: Any) -> None:
    """Raise NotPermitted if the owner may not run this export any more.

    Everything is read anew: Django remembers the permissions of a user who was loaded before.
    """
    export = Export.objects.select_related("owner", "team").filter(pk=export_id).first()
    if export is None:
        return  # Its worker finds that out by itself.
    owner, team = export.owner, export.team
    query.permitted(owner, export.exporter)
    if team is not None and not teams_of(owner).filter(pk=team.pk).exists():
        raise NotPermitted(
            spoken(
                "The owner of this export is not in the team %(team)s any more, with which it "
                "is shared.",
                team=team.name,
            )
        )
    _check_list(owner, export)


def check_download(user: User, export: Export) -> None:
    """Raise NotPermitted, or RequestError, if `user`, who sees `export`, may not have its file.

    Rows of an admin list are its owner's for as long as they may see that list. With whom they
    have shared it needs the exporter's permission alone.
    """
    query.permitted(user, export.exporter)
    if export.owner_id == user.pk:
        _check_list(user, export)


def may_run(user: User, exporter: str) -> bool:
    try:
        query.permitted(user, exporter)
    except (NotPermitted, RequestError):
        return False
    return True


def may_see_list(user: User, export: Export) -> bool:
    """Whether `user` may see the admin list of `export`, if they own it and it is of one.

    An export of `access.listed` is not loaded whole for that: the model of its list is known.
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
    """Whether a click would bring its file: not for all who may see the export."""
    return may_run(user, export.exporter) and may_see_list(user, export)


def _check_list(owner: User, export: Export) -> None:
    if (selection := export.params.get("changelist")) is not None:
        changelist.check_permission(owner, selection, export.context)
