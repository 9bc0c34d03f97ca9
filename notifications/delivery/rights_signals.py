"""Notify the web processes when the rights of a user change, by Django's signals.

The message is sent over the channel layer, like any push, and open sockets recheck their user at
once. If a message is lost, or a change sends no signal, the check of each minute notices it
(`recheck`). The receivers here cost a request at most one push.

There is no receiver for deleted sessions. With such a receiver, Django's `clearsessions` would load
every expired session, instead of deleting all of them in one query.
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

# The fields of a user that decide about rights. A sign-in saves none of them, but only
# `last_login`.
RIGHTS = frozenset({"password", "is_active", "is_superuser"})


def recheck(users: Iterable[Any], *, again: bool = False) -> None:
    """Recheck the connections of these users (ids) after the commit.

    `again`: check a second time a moment later, because the change is not stored yet.
    """
    if changes := [RightsChanged(str(pk), again) for pk in users]:
        push.after_commit(changes=changes)


def recheck_all() -> None:
    """Recheck all connections after the commit."""
    push.after_commit(changes=[RightsChanged(None)])


# -- receivers of Django's signals ---------------------------------------------------


def connect() -> None:
    """Connect the signal handlers. Called once, when the apps are ready."""
    user = get_user_model()
    user_logged_out.connect(_signed_out)
    post_save.connect(_user_saved, sender=user)
    post_delete.connect(_user_deleted, sender=user)
    post_delete.connect(_token_deleted, sender=Token)
    post_delete.connect(_group_deleted, sender=Group)
    m2m_changed.connect(_group_permissions_changed, sender=Group.permissions.through)
    # A custom user model may lack these fields.
    for name in ("groups", "user_permissions"):
        if relation := getattr(user, name, None):
            m2m_changed.connect(_user_relation_changed, sender=relation.through)


def _signed_out(user: Any, **_: Any) -> None:
    if user is not None:
        # Django sends the signal before it deletes the session, so the first check may be too
        # early.
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
    recheck_all()  # The list of its members is deleted already.


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
        recheck_all()  # The signal of group.user_set.clear() does not have the users.
