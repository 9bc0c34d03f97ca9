"""manage.py replay_events: push stored events again to connected clients."""

from __future__ import annotations

import json
import math
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from notifications.audit.record import About, record
from notifications.audit_actions import Action
from notifications.models import Stream
from notifications.streams.access import user_stream
from notifications.streams.cursor import Cursor
from notifications.streams.pacing import Pacer
from notifications.streams.replay import NotPossible, Replay, Replayed
from notifications.writing import alias

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django.db.models import QuerySet

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MISUSED = 2  # The exit status of argparse for unknown or invalid options.
INTERRUPTED = 130  # The exit status that shells report after Ctrl-C.


class Command(BaseCommand):
    help = (
        "Push stored events again, with their original offsets. Clients skip events that they have "
        "and take those that they missed. Exit status 0: no problem; 1: a gap, a failed push, or an "
        "unknown stream or user; 2: invalid options; 130: interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--stream",
            action="append",
            default=[],
            metavar="NAME",
            help="Replay this stream. Repeatable. Without --stream and --user: all streams.",
        )
        parser.add_argument(
            "--user",
            action="append",
            default=[],
            metavar="NAME",
            help="Replay the stream of the user with this user name. Repeatable.",
        )
        parser.add_argument(
            "--since",
            metavar="TIME|AGE",
            help="Only events since a time (2026-11-21T10:00:00+00:00) or an age (90s, 15m, 2h, 7d).",
        )
        parser.add_argument(
            "--after", metavar="CURSOR", help="Only events after this cursor. For one stream."
        )
        parser.add_argument(
            "--type",
            action="append",
            default=[],
            metavar="TYPE",
            help="Push only events of this type. Repeatable. All types are checked for gaps.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count events and find gaps, but push nothing."
        )
        parser.add_argument(
            "--rate", type=float, metavar="N", help="Push at most N events per second."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print one JSON object per stream (JSON Lines)."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        _check_options(options)
        streams = _streams(options["stream"], options["user"])
        self._dry_run, self._json = options["dry_run"], options["json"]
        self._current: Replayed | None = None
        # Only a terminal gets a bar. It would garble a file or the input of another program.
        on_terminal = self.stdout.isatty() and not self._json
        self._bar = _bar() if on_terminal else None
        replay = Replay(
            since=None if options["since"] is None else _since(options["since"]),
            after=None if options["after"] is None else _after(options["after"]),
            types=frozenset(options["type"]),
            dry_run=self._dry_run,
            pacer=None if options["rate"] is None else Pacer(options["rate"]),
            report=self._report,
        )
        if not self._dry_run:
            _record(streams, options)
        total = complete = 0
        try:
            with self._bar or nullcontext():
                for done in replay.run(streams):
                    total, complete = total + 1, complete + done.is_complete
                    self._print(done)
        except NotPossible as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._print_how_to_resume(streams)
            raise SystemExit(INTERRUPTED) from None
        if not total and not self._json:
            self.stdout.write("No events to replay.")
        if complete < total:
            raise CommandError(f"{total - complete} of {total} streams have gaps or failed pushes.")

    def _report(self, done: Replayed) -> None:
        self._current = done
        if self._bar is not None:
            begin = done.start.offset
            self._bar.update(
                self._bar.task_ids[0],
                description=done.stream,
                total=done.head - begin,
                completed=done.cursor.offset - begin,
            )

    def _print(self, done: Replayed) -> None:
        if self._json:
            self.stdout.write(json.dumps(_as_json(done, dry_run=self._dry_run)))
            return
        style = self.style.SUCCESS if done.is_complete else self.style.ERROR
        line = style(_as_line(done, dry_run=self._dry_run))
        if self._bar is None:
            self.stdout.write(line)
        else:
            # The console prints above the bar. A write to stdout would break the bar.
            self._bar.console.print(Text.from_ansi(line), soft_wrap=True)

    def _print_how_to_resume(self, streams: QuerySet[Stream]) -> None:
        if self._current is None:
            self.stderr.write("Interrupted. Nothing has been replayed.")
            return
        # Ctrl-C may have interrupted a query, and then its connection takes no other.
        connections[alias()].close()
        done = self._current
        text = (
            f"Interrupted. {done.stream} is replayed up to {done.cursor.offset} of {done.head}. "
            f"To resume: --stream {done.stream} --after {done.cursor}"
        )
        if later := streams.filter(name__gt=done.stream).count():
            text += f"\nStreams with later names, which are not replayed: {later}."
        self.stderr.write(text)


def _record(streams: QuerySet[Stream], options: dict[str, Any]) -> None:
    """Record the replay in the audit trail. Called first, because a replay may be interrupted."""
    names = sorted(streams.values_list("name", flat=True)) if _names_streams(options) else []
    about = About("stream", names[0], names[0]) if len(names) == 1 else About("stream")
    given = {name: options[name] for name in ("since", "after", "type") if options[name]}
    record(Action.STREAMS_REPLAYED, about, details={"streams": names or "all", **given})


def _names_streams(options: dict[str, Any]) -> bool:
    return bool(options["stream"] or options["user"])


def _bar() -> Progress:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(),
        transient=True,  # The printed lines show the result, so the bar may disappear.
    )
    bar.add_task("", total=None)
    return bar


def _as_line(done: Replayed, *, dry_run: bool) -> str:
    span = f"{done.first} to {done.last}" if done.events else "nothing"
    events = f"events {done.events}"
    if done.matching != done.events:
        events += f" ({done.matching} of the types)"
    gaps = f"gaps {done.gaps}"
    if done.gaps:
        named = [str(a) if a == b else f"{a} to {b}" for a, b in done.ranges]
        if unnamed := done.gaps - len(done.ranges):
            named.append(f"and {unnamed} more")
        gaps += f" (missing {', '.join(named)})"
    pushed = "not pushed (dry run)" if dry_run else f"pushed {done.pushed}"
    return f"{done.stream}: {span}, {events}, {gaps}, {pushed}"


def _as_json(done: Replayed, *, dry_run: bool) -> dict[str, Any]:
    return {
        "stream": done.stream,
        "first": done.first or None,
        "last": done.last or None,
        "cursor": str(done.cursor),
        "events": done.events,
        "matching": done.matching,
        "pushed": done.pushed,
        "failed": done.failed,
        "dry_run": dry_run,
        "gaps": done.gaps,
        "missing": done.missing,
        "missing_ranges": done.ranges,
    }


def _check_options(options: dict[str, Any]) -> None:
    if options["after"] is not None:
        if options["since"] is not None:
            raise CommandError(
                "--after and --since both set the start. Use only one of them.",
                returncode=MISUSED,
            )
        if len({*options["stream"], *(f"user {each}" for each in options["user"])}) != 1:
            raise CommandError(
                "--after needs exactly one --stream or --user, because a cursor is for one stream.",
                returncode=MISUSED,
            )
    if (rate := options["rate"]) is not None:
        if options["dry_run"]:
            raise CommandError(
                "--rate has no effect with --dry-run, which pushes nothing.", returncode=MISUSED
            )
        if not (rate > 0 and math.isfinite(rate)):
            raise CommandError("--rate must be more than 0.", returncode=MISUSED)


def _streams(names: list[str], users: list[str]) -> QuerySet[Stream]:
    chosen = [*names, *(_stream_of(user) for user in users)]
    streams = Stream.objects.filter(name__in=chosen) if chosen else Stream.objects.all()
    missing = set(chosen) - set(streams.values_list("name", flat=True))
    # A user without any event has no stream. That is not an error.
    if unknown := missing & set(names):
        raise CommandError(f"There is no stream {', '.join(sorted(unknown))}.")
    return streams


def _stream_of(name: str) -> str:
    model = get_user_model()
    try:
        return user_stream(model._default_manager.get_by_natural_key(name))
    except model.DoesNotExist:
        raise CommandError(f'There is no user "{name}".') from None


def _after(text: str) -> Cursor:
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise CommandError(f"--after: {error}", returncode=MISUSED) from None


def _since(text: str) -> datetime:
    """Parse a time, or an age before now. Raise CommandError for anything else."""
    try:
        if age := re.fullmatch(r"(\d+)([smhd])", text):
            return timezone.now() - timedelta(**{UNITS[age[2]]: int(age[1])})
        moment = parse_datetime(text)
    except OverflowError:
        raise CommandError(f'--since "{text}" is too long ago.', returncode=MISUSED) from None
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(
            f'--since "{text}" is neither a time (2026-11-21T10:00:00+00:00) nor an age (15m).',
            returncode=MISUSED,
        )
    return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)
