"""Notifications that are due by e-mail, and e-mails that the server has received."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from notifications.inbox import inbox
from notifications.models import Inbox


@transaction.atomic
def tell(user, *titles, **more):
    for title in titles:
        inbox.notify(user, title, **more)


def time_passes():
    """Free all claimed and postponed notifications."""
    Inbox.objects.exclude(mail_after=None).update(mail_after=timezone.now() - timedelta(seconds=1))


def subjects(server):
    return [subject for _, subject in server.sent]
