"""Export the demo's flights in one way, in a separate process.

    python -m benchmarks.export WAY ROWS

prints JSON with the seconds, the rows, the peak of memory (MiB) and the processor seconds of the
process.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import django

if TYPE_CHECKING:
    from collections.abc import Callable

    from exports.models import Export

SQLITE, POSTGRES = "sqlite", "postgresql"


@dataclass
class Run:
    """The result of a way to export. The caller measures values that are 0 for this process."""

    rows: int
    seconds: float = 0
    mebibytes: float = 0
    processor: float = 0


# -- Waybill -------------------------------------------------------------------------------


def waybill(file_format: str = "csv", *, python: bool = False, **options: Any) -> Run:
    """Run a complete export in one process: events, parts, progress, checksum, protection, log.

    The result lacks only the time for the message to a worker.
    """
    from exports.lifecycle import attempts
    from exports.worker import runner

    export = _request(file_format, python=python, options=options)
    runner.run(attempts.claim(export.pk, worker="bench"))
    return Run(_rows_done(export), _seconds(export))


def two_workers() -> Run:
    """Run an export with two real Celery workers, from the request to the file."""
    from tests.services.processes import Run as Processes
    from tests.services.waybill import Worker
    from tests.support.waiting import wait_until

    with closing(Processes()) as processes:
        workers = [Worker(processes) for _ in range(2)]
        export = _request("csv", python=False, options={})

        def is_over() -> bool:
            export.refresh_from_db()
            return export.is_final

        wait_until(is_over, 3_600, "the export is over")
        pids = [pid for worker in workers for pid in _children(worker.process.pid)]
        return Run(
            _rows_done(export),
            _seconds(export),
            max(map(_peak, pids)),
            sum(map(_processor, pids)),
        )


def _request(file_format: str, *, python: bool, options: dict[str, Any]) -> Export:
    from django.contrib.auth import get_user_model

    from benchmarks.loops import HEADERS, IN_SQL
    from exports import lifecycle
    from exports.spec.spec import build_spec

    # Each export has another user, because a user may start only a few exports a minute.
    user = get_user_model().objects.create(username=str(uuid4()), is_superuser=True)
    columns = HEADERS if python else IN_SQL
    spec = build_spec(
        user, exporter="flights", format=file_format, options=options, columns=columns
    )
    return lifecycle.start(spec)[0]


def _rows_done(export: Export) -> int:
    """Check the finished export, and return its number of rows. Omitted steps would look fast."""
    from exports.files import storage

    export.refresh_from_db()  # The claim changed another object.
    assert export.status == "succeeded", export.error
    assert export.enqueued_at, "The broker did not take the message."
    assert export.log_lines, "The export's log is empty."
    assert export.sha256, "The file has no checksum."
    storage.delete(export.file)
    return export.rows_done


def _seconds(export: Export) -> float:
    """Return the seconds from the request to the file."""
    export.refresh_from_db()
    assert export.finished_at, "The export has ended."
    return (export.finished_at - export.created_at).total_seconds()


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]


def _processor(pid: int) -> float:
    import psutil

    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def _peak(pid: int) -> float:
    """Return the peak memory of another process on Linux, or 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


# -- All ways ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way to export flights. A slow way writes only one of `share` flights."""

    name: str
    run: Callable[[int], Run]
    databases: tuple[str, ...] = (POSTGRES, SQLITE)
    share: int = 1
    format: str = "csv"  # The way is skipped if there is no writer for it.
    needs_psql: bool = False


def _loop(name: str) -> Callable[[int], Run]:
    def run(count: int) -> Run:
        from benchmarks import loops

        return Run(getattr(loops, name)(count))

    return run


def _psql(count: int) -> Run:
    from benchmarks import loops

    # The peak of a child includes the memory of this process when it was forked.
    return Run(loops.psql(count), mebibytes=math.nan)


def _psql_with_waybills_statement(count: int) -> Run:
    from benchmarks import loops

    command = loops.waybills_statement(count)
    began = time.perf_counter()
    rows = loops.psql_copied(command)
    return Run(rows, time.perf_counter() - began, math.nan)


def _rows(name: str) -> Callable[[int], Run]:
    def run(count: int) -> Run:
        from benchmarks import loops

        return Run(loops.write(getattr(loops, name)(count)))

    return run


LIMIT = {POSTGRES: r"psql \copy", SQLITE: "sqlite3 and joined lines"}
BASE = "values_list().iterator() loop"
WAYS = [
    Way(LIMIT[POSTGRES], _psql, (POSTGRES,), needs_psql=True),
    Way(
        r"psql \copy, Waybill's statement",
        _psql_with_waybills_statement,
        (POSTGRES,),
        needs_psql=True,
    ),
    Way(LIMIT[SQLITE], _loop("sqlite3"), (SQLITE,)),
    Way("waybill, CSV", lambda _: waybill()),
    Way("waybill, CSV, two workers", lambda _: two_workers(), (POSTGRES,)),
    Way("waybill, CSV with a Python column", lambda _: waybill(python=True)),
    Way(BASE, _rows("values_rows"), share=5),
    Way("model instances loop", _rows("model_rows"), share=10),
    Way("django-import-export", _loop("import_export"), (POSTGRES,), share=50),
    Way("waybill, CSV, gzip", lambda _: waybill(gzip=True), (POSTGRES,)),
    Way("waybill, JSON Lines", lambda _: waybill("jsonl"), (POSTGRES,), format="jsonl"),
    Way("waybill, Parquet", lambda _: waybill("parquet"), (POSTGRES,), format="parquet"),
    Way("waybill, XLSX", lambda _: waybill("xlsx"), (POSTGRES,), format="xlsx"),
    Way("xlsxwriter, constant_memory", _loop("xlsxwriter"), (POSTGRES,), share=10),
]


def main(name: str, count: int) -> None:
    set_up()
    import_module("benchmarks.loops")  # Imports are not measured.
    way = next(way for way in WAYS if way.name == name)
    began, used = time.perf_counter(), time.process_time()
    run = way.run(count)
    run.seconds = run.seconds or time.perf_counter() - began
    run.processor = run.processor or time.process_time() - used + _of_children()
    run.mebibytes = run.mebibytes or _peak_of_this_process()
    print(json.dumps(vars(run)))


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for handler in logging.getLogger().handlers:
        # The terminal shows no log lines. Loggers keep their level for the logs of exports.
        handler.setLevel(logging.CRITICAL)


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_of_this_process() -> float:
    """Return the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
