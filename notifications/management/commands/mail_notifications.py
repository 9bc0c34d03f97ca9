"""`manage.py mail_notifications`: what beat does every ten seconds, once. For cron."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifications.inbox import mail
from notifications.inbox.email import NotSetUp, ServerDown


class Command(BaseCommand):
    help = "Mail the notifications that are due. Safe to run anywhere, and beside beat."

    def handle(self, **_: Any) -> None:
        try:
            done = mail.send_due()
        except NotSetUp as error:
            raise CommandError(str(error)) from error
        except ServerDown as error:
            raise CommandError(
                f"The mail server cannot be used; what is due is sent the next time. {error}"
            ) from error
        self.stdout.write(f"Sent {done.sent}, refused {done.refused}, for later {done.later}.")
