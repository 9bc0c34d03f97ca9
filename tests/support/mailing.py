"""Notifications that wait to be mailed, and e-mails that the server has received."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from notifications.models import Inbox


def end_waits():
    """End the leases of senders and the delays of users, so that all notifications are due."""
    Inbox.objects.exclude(mail_after=None).update(mail_after=timezone.now() - timedelta(seconds=1))


def subjects(server):
    return [subject for _, subject in server.sent]
