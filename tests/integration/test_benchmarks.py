"""`make bench` compares like with like, and touches nothing of anybody's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from benchmarks import flights, loops, memory
from benchmarks.export import POSTGRES, SQLITE, WAYS
from benchmarks.ways import available, table
from demo.models import Flight
from exports.exporters import registry
from exports.formats.text import cell
from exports.readers import rows as reader
from exports.readers.connection import Source
from exports.readers.plan import plan
from exports.readers.projection import project
from tests.services.processes import ROOT
from tests.support.flights import load


def exported():
    """Headers and cells of what an export of all flights has."""
    exporter = registry.get("flights")
    columns = exporter.all_columns()
    with closing(Source("default")) as source:
        readings = project(exporter.queryset, columns, source.connection.vendor)
        pages = [
            page
            for keys in plan(source, exporter.queryset, 1_000)
            for page in reader.read(source, exporter.queryset, readings, keys, 1_000)
        ]
    return [column.header for column in columns], [
        row for page in pages for row in zip(*page, strict=True)
    ]


def cells(rows):
    return [[cell(value) for value in row] for row in rows]


@pytest.mark.django_db(transaction=True)
def test_compared_loops_write_the_rows_of_an_export():
    load(2_500)  # Some of them were cancelled, and some went where no airport is known.

    headers, rows = exported()

    assert list(loops.HEADERS) == headers
    assert cells(loops.values_rows(2_500)) == cells(rows)
    assert cells(loops.model_rows(2_500)) == cells(rows)
    assert any(None in row for row in rows)


@pytest.mark.django_db(transaction=True)
def test_multiplied_flights_have_consecutive_keys():
    load(100)

    flights.grow(250)

    assert list(Flight.objects.order_by("pk").values_list("pk", flat=True)) == list(range(1, 251))
    first, copy = (Flight.objects.values().get(pk=key) for key in (7, 207))
    assert {**first, "id": 207} == copy


def test_incomplete_results_are_not_compared():
    results = {
        way.name: [{"rows": 900 // way.share, "seconds": 1.0, "mebibytes": 1.0, "processor": 1.0}]
        for way in WAYS
    }
    results["waybill, CSV"][0]["rows"] = 899

    with pytest.raises(SystemExit, match=re.escape("{'waybill, CSV': {899}}")):
        table(results, WAYS, 900)


def bench(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.timeout(310)
@pytest.mark.parametrize(("database", "vendor"), [("sqlite", SQLITE), ("postgres", POSTGRES)])
def test_benchmark_measures_every_way_and_leaves_nothing_behind(tmp_path, database, vendor):
    theirs, scratch = tmp_path / "theirs", tmp_path / "scratch"
    theirs.mkdir()
    scratch.mkdir()

    done = bench(
        "--database",
        database,
        "--rows",
        "300",
        "--rounds",
        "1",
        DATABASE_URL=f"sqlite:///{theirs / 'db.sqlite3'}",
        STORAGE_URL=f"file://{theirs / 'files'}",
        VAR_DIR=str(theirs / "var"),
        # Without its log, an export does less.
        LOG_LEVEL="CRITICAL",
        TMPDIR=str(scratch),
    )

    assert done.returncode == 0, done.stderr
    shown = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    expected = [way.name for way in available(vendor, {"PSQL": "psql"})]
    assert shown == [f"| {name}" for name in ("way", *expected)]
    assert list(theirs.iterdir()) == []
    assert list(scratch.iterdir()) == []
    lines = [" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if str(scratch) in line] == []


@pytest.mark.timeout(310)
def test_scale_benchmark_leaves_nothing_behind(tmp_path):
    few = ["--workers", "2", "--parts", "9", "--queued", "20", "--seconds", "1", "--streams", "9"]

    done = bench("scale", *few, TMPDIR=str(tmp_path))

    assert done.returncode == 0, done.stderr
    seen = dict(line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:])
    assert int(seen["SQL statements per report"]) > 0
    assert float(seen["messages to Redis per report"]) > 0
    assert {"9 parts are claimed and finished in", "positions of 9 streams, in each sweep"} < set(
        seen
    )
    assert list(tmp_path.iterdir()) == []


def test_growing_memory_is_refused(capsys):
    results = {"waybill, CSV": [100.0, 109.9], "waybill, XLSX": [100.0, 110.0]}

    with pytest.raises(SystemExit, match="grows with the rows: waybill, XLSX"):
        memory.show(results, 200, 5_000)

    assert "| waybill, CSV | 100 | 110 | 9.9 |" in capsys.readouterr().out


def test_stream_benchmark_leaves_nothing_behind(tmp_path):
    few = ["--events", "300", "--stopped", "2", "--clients", "5", "--sends", "20"]

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "streams", *few],
        cwd=ROOT,
        env={
            **os.environ,
            "NOTIFICATIONS_HEARTBEAT_SECONDS": "1",
            "NOTIFICATIONS_STALLED_SECONDS": "1",
            "TMPDIR": str(tmp_path),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=170,
    )

    assert done.returncode == 0, done.stderr
    seen = dict(line.split(" | ")[:2] for line in done.stdout.splitlines()[2:])
    assert seen["| close codes of clients that read"] == "4408"
    assert seen["| remaining connections of stopped clients"] == "0"
    assert "| 20 of 20 pushes, time of each" in seen
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(310)
def test_attack_benchmark_leaves_nothing_behind(tmp_path):
    few = ["--only", "error_pages", "--seconds", "2", "--flights", "2000"]

    done = bench("attacks", *few, TMPDIR=str(tmp_path))

    assert done.returncode == 0, done.stderr
    row, together = done.stdout.splitlines()[4:]
    assert row.startswith("| error pages | ")
    assert "404" in row
    assert together.startswith("| all together | ")
    assert list(tmp_path.iterdir()) == []


def test_benchmark_refuses_the_database_of_the_settings(tmp_path):
    url = f"sqlite:///{tmp_path / 'theirs.sqlite3'}"

    done = bench("--rows", "1", DATABASE_URL=url, BENCH_DATABASE_URL=url)

    assert done.returncode != 0
    assert "BENCH_DATABASE_URL must not be DATABASE_URL" in done.stderr
    assert list(tmp_path.iterdir()) == []
