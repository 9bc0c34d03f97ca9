"""manage.py prune_exports: delete expired files, leftovers and old exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from exports.conf import conf
from exports.exceptions import StorageFailed
from exports.lifecycle.prune import prune

if TYPE_CHECKING:
    from argparse import ArgumentParser

MAX_DAYS = 36_500  # A century. A date must not be before the year 1.


class Command(BaseCommand):
    help = (
        "Delete files of expired exports, leftovers of failed and cancelled exports, work files "
        "of killed workers, and old exports. Safe to run at any time; beat does the same every "
        "hour."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            default=conf.RETENTION_DAYS,
            metavar="N",
            help=(
                "Delete exports that ended more than N days ago, with their logs. "
                f"Default: {conf.RETENTION_DAYS}."
            ),
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Show what would be deleted, without deleting."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if not 1 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        try:
            done = prune(options["days"], dry_run=options["dry_run"])
        except (OSError, StorageFailed) as error:
            raise CommandError(f"Stopped: {error} The next run deletes the rest.") from error
        verb = "Would delete" if options["dry_run"] else "Deleted"
        self.stdout.write(
            f"{verb}: expired files {done.expired}, leftovers of failed and cancelled exports "
            f"{done.ended}, folders without an export {done.orphans}, streams without an export "
            f"{done.streams}, work files {done.work_files}, old exports {done.exports}."
        )
        if done.undeleted:
            raise CommandError(
                f"The storage did not delete the files of {done.undeleted} exports. The next run "
                "tries again; the log says why."
            )
