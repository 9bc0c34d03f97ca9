"""Publish progress like workers: python -m benchmarks.ticks USER SECONDS

The values of all running exports of the user change four times a second, all at once. Workers
report as often, but not at the same time, which is easier for the page.
"""

from __future__ import annotations

import sys
import time

from benchmarks.export import set_up

ROUND = 0.25  # Seconds: the interval of exports/worker/progress.py.
ROWS = 2_000  # The rows of each export in a round.


def main(user: int, seconds: float) -> None:
    set_up()
    from django.db import transaction

    from exports.models import RELATED, Export
    from exports.serialize import snapshot
    from exports.status import Status
    from notifications.streams import retain

    running = Export.objects.filter(owner=user, status=Status.RUNNING)
    exports = list(running.select_related(*RELATED).order_by("pk"))
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    for number in range(round(seconds / ROUND)):
        time.sleep(max(begin + number * ROUND - time.monotonic(), 0))
        with transaction.atomic():
            for export in exports:
                export.rows_done += ROWS
                export.version += 1
                retain(f"user-{user}", export.key, snapshot(export))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
