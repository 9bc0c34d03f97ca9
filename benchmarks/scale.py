"""Measure a hundred workers, a thousand parts, and ten thousand queued exports.

    make bench ARGS=scale
    make bench ARGS="scale --workers 10 --parts 100 --queued 1000 --seconds 3"

Waybill's own code runs with a real PostgreSQL and a real Valkey, but reads no rows. The numbers hold
only for the machine that printed them. docs/scale.md uses them for its estimates.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.environment import POSTGRES, isolated
from benchmarks.export import set_up
from benchmarks.output import ms, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exports.models import Export

PROCESSES = 4  # The workers are threads of this many processes.

Row = tuple[str, str]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--parts", type=int, default=1_000, help="parts of one export")
    parser.add_argument("--queued", type=int, default=10_000, help="queued exports")
    parser.add_argument("--seconds", type=float, default=20, help="duration of the reports")
    parser.add_argument(
        "--streams", type=int, default=5_000, help="streams that one web process follows"
    )
    options = parser.parse_args(arguments)
    with isolated(POSTGRES) as environment:
        os.environ.update(environment)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            check=True,
            stdout=sys.stderr,
        )
        set_up()
        rows = [
            *report_rows(options.workers, options.seconds),
            *parts_rows(options.workers, options.parts),
            *queue_rows(options.queued),
            *streams_rows(options.streams),
        ]
    print("\n".join(["| what | measured |", "|---|---:|", *(f"| {a} | {b} |" for a, b in rows)]))


# -- Workers that report -----------------------------------------------------------------


def report_rows(workers: int, seconds: float) -> list[Row]:
    """Let each of `workers` hold an export and report as usual."""
    from exports.lifecycle import rescue

    say(f"{workers} workers report for {seconds:g} s")
    exports = [running(f"owner-{number}", parts=10) for number in range(workers)]
    statements, alone = one_report(running("one", parts=10))
    before = Load()
    took = reports(exports, seconds)
    load = Load().since(before)
    count = len(took)
    say(f"{workers} workers, all for one user")
    same = [running("all", parts=10) for _ in range(workers)]
    shared = reports(same, seconds)
    expire(same, ahead=True)
    expire(exports, ahead=True)
    idle, _ = timed(rescue.rescue)
    # All workers are lost at the same time.
    expire(exports)
    say(f"{workers} workers are lost")
    rescued, done = timed(rescue.rescue)
    assert done["rescued"] == workers, done
    return [
        ("SQL statements per report", str(statements)),
        ("time of a report without other load", alone),
        (f"reports per second of {workers} workers", f"{count / seconds:,.0f}"),
        ("time of each", spread(took)),
        (f"reports per second, {workers} exports of one user", f"{len(shared) / seconds:,.0f}"),
        ("time of each", spread(shared)),
        ("rows written per report", f"{load['rows'] / count:.1f}"),
        ("write-ahead log per report", f"{load['log'] / count / 1024:.1f} KiB"),
        ("CPU time of the database per report", f"{load['processor'] / count * 1000:.2f} ms"),
        ("messages to Redis per report", f"{load['published'] / count:.1f}"),
        (f"rescue with {workers} healthy workers", ms(idle)),
        (f"rescue with {workers} lost workers", ms(rescued)),
    ]


def reports(exports: Sequence[Export], seconds: float) -> list[float]:
    return fleet("ticking", seconds, shares([str(export.pk) for export in exports]))["tick"]


def one_report(export: Export) -> tuple[int, str]:
    """Return the number of SQL statements of a report, and its time without other load."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from exports.lifecycle import parts

    part = parts.claim(export)
    with CaptureQueriesContext(connection) as queries:
        parts.tick(export, part, rate=1.0)
    alone = [timed(lambda: parts.tick(export, part, rate=1.0))[0] for _ in range(50)]
    return len(queries), spread(alone)


# -- One export of many parts ------------------------------------------------------------


def parts_rows(workers: int, count: int) -> list[Row]:
    """Let all workers claim parts of one export, and finish each part at once."""
    from exports.lifecycle import parts

    say(f"{workers} workers claim {count:,} parts of one export")
    export = running("many", parts=count)
    began = time.perf_counter()
    took = fleet("helping", 0, [[str(workers // PROCESSES or 1), str(export.pk)]] * PROCESSES)
    seconds = time.perf_counter() - began
    assert parts.all_done(export)
    finished = len(took["finish"])
    assert finished == count, f"{finished} of {count} parts were finished once."
    export.refresh_from_db()
    sums = [timed(lambda: parts.totals(export.pk))[0] for _ in range(50)]
    all_done = [timed(lambda: parts.all_done(export))[0] for _ in range(50)]
    return [
        (f"{count:,} parts are claimed and finished in", f"{seconds:.1f} s"),
        *((f"{what} of a part by {workers} workers", spread(took[what])) for what in took),
        (f"sum over {count:,} parts, in each report", spread(sums)),
        (f"check whether all {count:,} parts are done", spread(all_done)),
    ]


# -- A long queue ----------------------------------------------------------------------


def queue_rows(count: int) -> list[Row]:
    """Measure a long queue whose messages Redis has lost."""
    from celery import current_app
    from django.db import connection
    from django.utils import timezone

    from exports import lifecycle
    from exports.lifecycle import attempts, fairness, queue, rescue
    from exports.models import Export
    from exports.serialize import queue_position
    from exports.spec.spec import build_spec
    from exports.status import Status

    say(f"{count:,} queued exports")
    current_app.control.purge()  # Deletes the messages of the rescue.
    owner = user("queued")
    now = timezone.now() - timedelta(seconds=count)
    Export.objects.bulk_create(
        [
            Export(
                owner=owner,
                exporter="flights",
                label="Flights",
                queued_at=now + timedelta(seconds=number),
                enqueued_at=now,
            )
            for number in range(count)
        ],
        batch_size=1_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE exports_export")
    waiting = Export.objects.filter(status=Status.QUEUED).order_by("queued_at")
    first, last = waiting.first(), waiting.last()
    assert first is not None
    assert last is not None
    # Each export has another user, because one user may not have that many active exports.
    people = [user(f"requester {number}") for number in range(20)]

    def start(person: Any) -> None:
        lifecycle.start(build_spec(person, exporter="flights"))

    request = [timed(partial(start, person))[0] for person in people]
    position = [timed(lambda: queue_position(last))[0] for _ in range(20)]
    waits = [timed(fairness.has_queued_exports)[0] for _ in range(20)]
    gives_way = [timed(fairness.should_yield)[0] for _ in range(20)]
    claimed = list(waiting[:50])
    claims = [timed(partial(attempts.claim, each.pk, worker="one"))[0] for each in claimed]
    expire(claimed, ahead=True)
    forgotten, done = timed(rescue.rescue)
    again, twice = timed(rescue.rescue)
    return [
        (f"start of an export, with {count:,} queued exports", spread(request)),
        ("queue position of the last export", spread(position)),
        ("has_queued_exports()", spread(waits)),
        ("should_yield()", spread(gives_way)),
        ("claim of an export", spread(claims)),
        (f"rescue of {done['enqueued']:,} exports that Redis has lost", f"{forgotten:.1f} s"),
        (f"next rescue, {twice['enqueued']:,} enqueued", ms(again)),
        ("messages in the queue after it", f"{queue.message_count() or 0:,}"),
    ]


# -- A web process that follows many streams -------------------------------------------


def streams_rows(count: int) -> list[Row]:
    """Measure the sweep, which reads the positions of all streams."""
    from notifications.models import Stream
    from notifications.streams import backlog

    names = [f"user-1{number:06}" for number in range(count)]
    # The same number of other streams have no subscriber here.
    others = [f"team-1{number:06}" for number in range(count)]
    Stream.objects.bulk_create([Stream(name=name) for name in (*names, *others)], batch_size=1_000)
    sweeps = [timed(partial(backlog.heads, names))[0] for _ in range(20)]
    return [(f"positions of {count:,} streams, in each sweep", spread(sweeps))]


# -- Helpers --------------------------------------------------------------------


def user(name: str) -> Any:
    from django.contrib.auth import get_user_model

    found, _ = get_user_model().objects.get_or_create(username=name, is_superuser=True)
    return found


def running(owner: str, *, parts: int) -> Export:
    """Create an export that a worker holds, with planned `parts`."""
    from exports.lifecycle import attempts
    from exports.lifecycle import parts as planned
    from exports.models import Export, Part

    export = Export.objects.create(owner=user(owner), exporter="flights", label="Flights")
    export = attempts.claim(export.pk, worker="bench")
    new = [
        Part(export=export, number=number, upto_key=str(number), rows=100_000)
        for number in range(1, parts + 1)
    ]
    planned.save_plan(export, new, 100_000 * parts)
    return export


def expire(exports: Sequence[Export], *, ahead: bool = False) -> None:
    """Set the leases of exports to the past, or `ahead` to the future."""
    from exports.lifecycle.leases import Now
    from exports.models import Export, Part

    moment = Now() + timedelta(hours=1 if ahead else -1)
    Part.objects.filter(export__in=exports).update(lease_expires_at=moment)
    Export.objects.filter(pk__in=[export.pk for export in exports]).update(lease_expires_at=moment)


def shares(names: Sequence[str]) -> list[list[str]]:
    return [list(names[number::PROCESSES]) for number in range(min(PROCESSES, len(names)))]


def fleet(kind: str, amount: float, each: Sequence[Sequence[str]]) -> dict[str, list[float]]:
    """Run processes of workers that start at the same time. Return the durations of actions."""
    processes = []
    for arguments in each:
        command = [sys.executable, "-m", "benchmarks.fleet", kind]
        command += [*([str(amount)] if amount else []), *arguments]
        processes.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise SystemExit("A process of workers did not start.")
        total: dict[str, list[float]] = {}
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            out, _ = process.communicate()
            for what, took in json.loads(out).items():
                total.setdefault(what, []).extend(took)
        return total
    finally:
        for process in processes:
            process.kill()


class Load(dict[str, float]):
    """The work of the database and Redis so far."""

    def __init__(self) -> None:
        from django.db import connection
        from redis import Redis

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT tup_inserted + tup_updated + tup_deleted,"
                " pg_current_wal_lsn() - '0/0'::pg_lsn, pg_backend_pid()"
                " FROM pg_stat_database WHERE datname = current_database()"
            )
            rows, log, backend = cursor.fetchone()
        with Redis.from_url(os.environ["REDIS_URL"]) as redis:
            published = redis.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]
        processor = _of_server(backend)
        super().__init__(rows=float(rows), log=float(log), published=published, processor=processor)

    def since(self, before: Load) -> dict[str, float]:
        return {name: self[name] - before[name] for name in self}


def _of_server(backend: int) -> float:
    """Return the processor seconds of all processes of PostgreSQL, including ended ones."""
    import psutil

    used = psutil.Process(backend).parent()
    assert used is not None
    own = [used, *used.children()]
    seconds = 0.0
    for process in own:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    ended = used.cpu_times()
    return seconds + ended.children_user + ended.children_system


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    middle = statistics.median(ordered)
    late = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    return f"{ms(middle)}, p99 {ms(late)}"
