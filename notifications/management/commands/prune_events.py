"""manage.py prune_events: remove events, values and audit entries older than the retention."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from notifications.audit.prune import prune_old
from notifications.conf import conf
from notifications.models import Stream
from notifications.streams.prune import prune

if TYPE_CHECKING:
    from argparse import ArgumentParser


MAX_DAYS = 36_500  # A century. A much larger number would result in a date before the year 1.


class Command(BaseCommand):
    help = (
        "Remove events, retained values and audit entries that are older than their retention. "
        "Safe to run at any time. Clients that were away for longer start over."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            default=conf.RETENTION_DAYS,
            metavar="N",
            help=f"Keep events of the last N days. Default: {conf.RETENTION_DAYS}.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        events = values = 0
        for done in prune(timezone.now() - timedelta(days=options["days"])):
            events, values = events + done.events, values + done.values
            if options["verbosity"] > 1:
                self.stdout.write(f"{done.stream}: {done.events} events, {done.values} values")
        kept = Stream.objects.count()
        self.stdout.write(f"Removed {events} events and {values} values. Streams kept: {kept}.")
        if entries := prune_old():
            self.stdout.write(f"Removed {entries} entries of the audit trail.")
