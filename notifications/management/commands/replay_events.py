"""manage.py replay_events: push persisted events again to whoever listens."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notifications.access import user_stream
from notifications.models import Stream
from notifications.replay import replay

if TYPE_CHECKING:
    from argparse import ArgumentParser

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Command(BaseCommand):
    help = (
        "Push persisted events again, with their own offsets. Clients that have them drop "
        "them, clients that missed them fill in. Exit status 1: a gap, or a failed push."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--stream", action="append", default=[], metavar="NAME", help="This stream; repeatable."
        )
        parser.add_argument(
            "--user",
            action="append",
            default=[],
            metavar="NAME",
            help="The stream of the user with this user name; repeatable.",
        )
        parser.add_argument(
            "--since",
            metavar="TIME|AGE",
            help="Only events from then on: 2026-11-21T10:00:00+00:00, or an age: 90s, 15m, 2h, 7d.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count and look for gaps; push nothing."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        names = [*options["stream"], *(_stream_of(user) for user in options["user"])]
        streams = Stream.objects.filter(name__in=names) if names else Stream.objects.all()
        missing = set(names) - set(streams.values_list("name", flat=True))
        # A user to whom nothing has happened yet has no stream, and nothing to replay.
        if unknown := missing & set(options["stream"]):
            raise CommandError(f"There is no stream {', '.join(sorted(unknown))}.")
        since = None if options["since"] is None else _since(options["since"])
        total = whole = 0
        for done in replay(streams, since=since, dry_run=options["dry_run"]):
            total, whole = total + 1, whole + done.is_whole
            pushed = "not pushed (dry run)" if options["dry_run"] else f"pushed {done.pushed}"
            span = f"{done.first} to {done.last}" if done.events else "nothing"
            line = f"{done.stream}: {span}, events {done.events}, gaps {done.gaps}, {pushed}"
            style = self.style.SUCCESS if done.is_whole else self.style.ERROR
            self.stdout.write(style(line))
        if not total:
            self.stdout.write("There is nothing to replay.")
        if whole < total:
            raise CommandError(f"{total - whole} of {total} streams have gaps or failed pushes.")


def _stream_of(name: str) -> str:
    model = get_user_model()
    try:
        return user_stream(model._default_manager.get_by_natural_key(name))
    except model.DoesNotExist:
        raise CommandError(f'There is no user "{name}".') from None


def _since(text: str) -> datetime:
    """A moment, or an age before now. Raises CommandError."""
    try:
        if age := re.fullmatch(r"(\d+)([smhd])", text):
            return timezone.now() - timedelta(**{UNITS[age[2]]: int(age[1])})
        moment = parse_datetime(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise CommandError(
            f'--since "{text}" is neither a time (2026-11-21T10:00:00+00:00) nor an age (15m).'
        )
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)
