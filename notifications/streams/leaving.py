"""Delete the stream of a user or a team when they are deleted.

A primary key may be used again, for example an e-mail address with which a new user registers. The
new user must not get the old stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models.signals import post_delete

from notifications.streams.access import team_stream, user_stream
from notifications.streams.prune import forget
from notifications.writing import on_commit

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def connect() -> None:
    """Connect the signal handlers. Called once, when the apps are ready."""
    post_delete.connect(_user_deleted, sender=get_user_model())
    post_delete.connect(_team_deleted, sender=Group)


def _user_deleted(instance: User, **_: Any) -> None:
    _forget_after_commit(user_stream(instance))


def _team_deleted(instance: Group, **_: Any) -> None:
    _forget_after_commit(team_stream(instance.pk))


def _forget_after_commit(stream: str) -> None:
    # After the commit, `forget` uses small transactions. A single transaction would lock all rows
    # of the stream, and there may be very many.
    on_commit(lambda: forget(stream))
