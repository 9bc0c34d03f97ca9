"""manage.py healthcheck: what is wrong, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from exports import health
from notifications.printable import one_line

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from exports.health import Finding


class Command(BaseCommand):
    help = (
        "Check all services that exports need, and say how to fix each problem. "
        "Exit status 0: all checks passed; 1: a check failed."
    )
    # It asks them itself, among the others: an error there must not hide the rest.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="Print the results as one JSON object."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        found = []
        for finding in health.findings():
            found.append(finding)
            if not options["json"]:
                # At once: the next one may take some seconds to answer.
                self.stdout.write(self._line(finding))
                self.stdout.flush()
        well = all(finding.is_healthy for finding in found)
        if options["json"]:
            checks = [
                {"name": each.name, "ok": each.is_healthy, "detail": each.detail, "fix": each.fix}
                for each in found
            ]
            self.stdout.write(json.dumps({"ok": well, "checks": checks}))
        if not well:
            raise SystemExit(1)

    def _line(self, finding: Finding) -> str:
        detail = one_line(finding.detail)  # What a server or a storage has said may be in it.
        if finding.is_healthy:
            return f"{self.style.SUCCESS('OK')}  {finding.name}: {detail}"
        return f"{self.style.ERROR('NO')}  {finding.name}: {detail}. {finding.fix}"
