"""Notifications of a user, and how many of them are unread."""

from __future__ import annotations

from contextlib import contextmanager

from django.db import transaction

from notifications.inbox import inbox, notify
from notifications.streams import publish
from notifications.streams.access import user_stream


@transaction.atomic
def notify_all(user, *titles, **more):
    """Send `user` a notification with each title. Return their offsets."""
    return [notify(user, title, **more).offset for title in titles]


@transaction.atomic
def append(user, *types, **data):
    publish.append_many(user_stream(user), [(each, data) for each in types])


@contextmanager
def rolled_back():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def titles(user, **query):
    return [entry.notice.title for entry in inbox.page(user, **query).entries]
