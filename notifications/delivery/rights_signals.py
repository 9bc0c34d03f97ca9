"""Tell the web processes at once that somebody's rights have changed.

A hint over the channel layer, like any push: who has an open socket is asked for anew
right now. Where it is lost, or a change comes to pass without Django's signals, the check
of each minute notices (`recheck`). The listeners here cost a request at most one push.

There is none for deleted sessions: with one, Django's `clearsessions` could not delete
those that have expired in one query, and would load every one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import m2m_changed, post_delete, post_save

from notifications.models import Token
from notifications.streams import push
from notifications.streams.push import RightsChanged

if TYPE_CHECKING:
    from collections.abc import Iterable

# What a user's row says about rights. A sign-in saves only `last_login`.
RIGHTS = frozenset({"password", "is_active", "is_superuser"})


def recheck(users: Iterable[Any], *, again: bool = False) -> None:
    """After the commit, have the connections of these users (their ids) asked for anew."""
    if changes := [RightsChanged(str(pk), again) for pk in users]:
        push.after_commit(changes=changes)


def recheck_all() -> None:
    """After the commit, have all connections asked for anew."""
    push.after_commit(changes=[RightsChanged(None)])


# -- what Django tells ---------------------------------------------------------------


def connect() -> None:
    """Listen to Django. Called once, when the apps are ready."""
    user = get_user_model()
    user_logged_out.connect(_signed_out)
    post_save.connect(_user_saved, sender=user)
    post_delete.connect(_user_deleted, sender=user)
    post_delete.connect(_token_deleted, sender=Token)
    post_delete.connect(_group_deleted, sender=Group)
    m2m_changed.connect(_group_permissions_changed, sender=Group.permissions.through)
    # A user model of a project's own need not have these.
    for name in ("groups", "user_permissions"):
        if relation := getattr(user, name, None):
            m2m_changed.connect(_user_relation_changed, sender=relation.through)


def _signed_out(user: Any, **_: Any) -> None:
    if user is not None:
        # Django says so just before it deletes the session.
        recheck([user.pk], again=True)


def _user_saved(
    *, instance: Any, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    if not created and (update_fields is None or RIGHTS & update_fields):
        recheck([instance.pk])


def _user_deleted(instance: Any, **_: Any) -> None:
    recheck([instance.pk])


def _token_deleted(instance: Token, **_: Any) -> None:
    recheck([instance.user_id])


def _group_deleted(**_: Any) -> None:
    recheck_all()  # Who was in it is deleted, too.


def _group_permissions_changed(action: str, **_: Any) -> None:
    if action.startswith("post_"):
        recheck_all()


def _user_relation_changed(
    *, instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **_: Any
) -> None:
    if not action.startswith("post_"):
        return
    if not reverse:
        recheck([instance.pk])
    elif pk_set is not None:
        recheck(pk_set)
    else:
        recheck_all()  # group.user_set.clear() does not say whom.
