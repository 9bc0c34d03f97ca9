"""Many workers at once, each a thread with its own connections, to measure the database.

`make bench ARGS=scale` starts a few processes with many threads each, because not every machine has
room for a hundred Python processes. They run Waybill's own code, but without rows.

    python -m benchmarks.fleet ticking SECONDS EXPORT...
    python -m benchmarks.fleet helping HELPERS EXPORT
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.export import set_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from exports.models import Export, Part

ROWS = 100_000  # The rows per second that each worker reports.
BLOCK = 0.02  # Seconds between two blocks of rows.

Seconds = dict[str, list[float]]  # The durations of each kind of action.


def ticking(export_id: str, seconds: float) -> Seconds:
    """Report for `seconds` like a worker that holds an export."""
    from exports.lifecycle import parts
    from exports.models import Export
    from exports.worker.progress import INTERVAL, Ticker

    export = Export.objects.select_related("owner", "team").get(pk=export_id)
    part = parts.claim(export)
    assert part is not None
    took: list[float] = []

    def report() -> None:
        part.rows_done += int(ROWS * INTERVAL)
        began = time.perf_counter()
        parts.tick(export, part, rate=ROWS)
        took.append(time.perf_counter() - began)

    ticker = Ticker(report)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        time.sleep(BLOCK)  # A real worker would read rows.
        ticker.touch()
    return {"tick": took}


def helping(export_id: str, number: int) -> Seconds:
    """Claim parts like a helper until there are none, and finish each at once."""
    from exports.lifecycle import parts
    from exports.models import Export

    export = Export.objects.get(pk=export_id)
    took: Seconds = {"claim": [], "report": [], "finish": []}

    def timed(what: str, call: Callable[..., Part | None], *given: Part | Export) -> Part | None:
        began = time.perf_counter()
        result = call(*given)
        took[what].append(time.perf_counter() - began)
        return result

    claim = partial(parts.claim, helper=f"helper-{number}")
    finish = partial(parts.finish, file=f"part-{number}", crc32=0)
    while (part := timed("claim", claim, export)) is not None:
        part.rows_done = part.rows
        timed("report", parts.save_progress, part)
        timed("finish", finish, part)
    return took


def main(kind: str, amount: float, exports: list[str]) -> None:
    set_up()
    if kind == "ticking":
        calls = [(ticking, export, amount) for export in exports]
    else:
        calls = [(helping, exports[0], number) for number in range(int(amount))]
    print("ready", flush=True)
    sys.stdin.readline()  # All processes start at the same time.
    together = threading.Barrier(len(calls))

    def run(work: Callable[..., Seconds], export: str, argument: float) -> Seconds:
        from django.db import connection

        connection.ensure_connection()
        together.wait()
        try:
            return work(export, argument)
        finally:
            connection.close()

    total: Seconds = {}
    with ThreadPoolExecutor(len(calls)) as pool:
        for took in pool.map(lambda call: run(*call), calls):
            for what, each in took.items():
                total.setdefault(what, []).extend(each)
    print(json.dumps(total))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
