"""Load the demo's data: 336 776 flights with airlines, airports, planes and weather."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, OperationalError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from demo.loader.load import load, missing
from demo.loader.source import DamagedFileError
from demo.loader.tables import TABLES
from notifications.management.progress_bar import RateColumn

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

    from demo.loader.load import Report


class Command(BaseCommand):
    help = (
        "Load the flights from New York in 2013, with their airlines, airports, planes and "
        "weather. Existing rows are not changed; a second run does nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--flights",
            type=int,
            metavar="N",
            help="load only the first N flights; a later run without it adds the others",
        )

    def handle(self, *, flights: int | None, **_: Any) -> None:
        if flights is not None and flights < 0:
            raise CommandError("--flights must be 0 or more.")
        started = time.monotonic()
        outcome = "is already loaded"
        if missing(flights=flights):
            try:
                with self._progress() as report:
                    load(report, flights=flights)
            except DamagedFileError as error:
                raise CommandError(str(error)) from error
            except IntegrityError as error:
                raise CommandError(
                    f"A table has other rows with the keys of the data set ({error}). "
                    f"Empty the demo's tables first: manage.py migrate demo zero; manage.py migrate"
                ) from error
            except OperationalError as error:
                raise CommandError(
                    f"Database error ({error}). Nothing was loaded. If another load_demo is "
                    f"running, wait for it."
                ) from error
            outcome = f"was loaded in {time.monotonic() - started:.1f} s"
        counts = ", ".join(
            f"{table.model._default_manager.count():,} {table.source.name}" for table in TABLES
        )
        self.stdout.write(f"The demo data {outcome}: {counts}.")

    @contextmanager
    def _progress(self) -> Iterator[Report]:
        """Show bars on a terminal, or else write a line for each table, which suits a log."""
        if not self.stdout.isatty():
            yield self._line
            return
        bars = Progress(
            TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), RateColumn()
        )
        ids: dict[str, TaskID] = {}

        def advance(table: str, done: int, total: int) -> None:
            if table not in ids:
                ids[table] = bars.add_task(table, total=total, completed=done)
            bars.update(ids[table], completed=done)

        with bars:
            yield advance

    def _line(self, table: str, done: int, total: int) -> None:
        if done == total:
            self.stdout.write(f"{table}: {total:,} rows")
