"""manage.py mail_notifications: send due e-mails once. For cron; beat does it every ten seconds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.inbox import mail
from notifications.inbox.email import NotSetUp, ServerDown


class Command(BaseCommand):
    help = "Send notification e-mails that are due. Safe to run anywhere, also next to beat."

    def handle(self, **_: Any) -> None:
        try:
            done = mail.send_due()
        except NotSetUp as error:
            raise CommandError(str(error)) from error
        except ServerDown as error:
            raise CommandError(
                f"The mail server is not available. The next run sends the e-mails. {error}"
            ) from error
        self.stdout.write(
            f"Sent: {done.sent}. Refused: {done.refused}. Postponed: {done.postponed}."
        )
