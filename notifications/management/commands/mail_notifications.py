"""manage.py mail_notifications: send due e-mails once. For cron; beat does it every ten seconds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.inbox import mail
from notifications.inbox.email import NotSetUp, ServerDown


class Command(BaseCommand):
    help = "Send the notifications that are due by e-mail. Safe to run while beat runs."

    def handle(self, **_: Any) -> None:
        try:
            done = mail.send_due()
        except NotSetUp as error:
            raise CommandError(str(error)) from error
        except ServerDown as error:
            raise CommandError(
                f"The mail server cannot be used; the next run tries again. {error}"
            ) from error
        self.stdout.write(f"Sent {done.sent}, refused {done.refused}, postponed {done.later}.")
