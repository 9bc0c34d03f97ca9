"""manage.py rescue_exports: run once, from cron or by hand, the rescue that beat runs regularly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from exports.lifecycle import rescue

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = (
        "Recover exports whose worker or message was lost. Safe to run anywhere, also next to beat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print the counts as a JSON object."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        done = rescue.rescue()
        if options["json"]:
            self.stdout.write(json.dumps(done))
        else:
            counts = ", ".join(f"{what} {count}" for what, count in done.items())
            self.stdout.write(f"{counts.capitalize()}.")
