"""manage.py healthcheck: check all services, and say how to fix each problem."""

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
    # `health.findings` runs the system checks. An error in one must not hide the other findings.
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
                # Printed at once, because the next check may take some seconds.
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
        detail = one_line(finding.detail)  # It may quote a server or a storage.
        if finding.is_healthy:
            return f"{self.style.SUCCESS('OK')}  {finding.name}: {detail}"
        return f"{self.style.ERROR('NO')}  {finding.name}: {detail}. {finding.fix}"
