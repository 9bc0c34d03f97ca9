"""`make bench` compares like with like, and touches nothing of anybody's."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from benchmarks import loops
from benchmarks.__main__ import table
from benchmarks.export import WAYS
from exports import registry
from exports.engine.plan import plan
from exports.engine.readers import rows as reader
from tests.flights import load
from tests.services.processes import ROOT


@pytest.mark.django_db
def test_loops_write_what_an_export_writes():
    load(2_500)  # Some of them were cancelled, and some went where no airport is known.
    exporter = registry.get("flights")
    queryset = exporter.queryset.order_by("pk")
    columns = exporter.all_columns()
    exported = [
        list(row)
        for keys in plan(queryset, 1_000)
        for page in reader.read(queryset, columns, keys, 1_000)
        for row in page
    ]

    assert list(loops.HEADERS) == [column.header for column in columns]
    assert list(loops.values_rows()) == exported
    assert list(loops.model_rows()) == exported
    assert any(None in row for row in exported)


def test_ways_that_wrote_other_rows_are_not_compared():
    results = {way: [{"seconds": 1.0, "rows": 9, "mebibytes": 1.0}] for way in WAYS}
    results["waybill"][0]["rows"] = 8

    with pytest.raises(SystemExit, match="did not write the same rows"):
        table(results)


def bench(**env):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--flights", "300", "--rounds", "1"],
        cwd=ROOT,
        env={**os.environ, **env},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_measures_every_way_and_leaves_nothing_behind(tmp_path):
    theirs, scratch = tmp_path / "theirs", tmp_path / "scratch"
    theirs.mkdir()
    scratch.mkdir()

    done = bench(
        DATABASE_URL=f"sqlite:///{theirs / 'db.sqlite3'}",
        STORAGE_URL=f"file://{theirs / 'files'}",
        VAR_DIR=str(theirs / "var"),
        # Without its log, an export does less.
        LOG_LEVEL="CRITICAL",
        TMPDIR=str(scratch),
    )

    assert done.returncode == 0, done.stderr
    shown = [line.split(" | ")[0].removeprefix("| ") for line in done.stdout.splitlines()]
    assert shown == ["way", "|---|---:|---:|---:|", *WAYS]
    assert list(theirs.iterdir()) == []
    assert list(scratch.iterdir()) == []
    lines = [" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if str(scratch) in line] == []


def test_streams_are_measured_and_nothing_is_left_behind(tmp_path):
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
    assert seen["| close codes of those that read"] == "4408"
    assert seen["| connections left but the healthy one's"] == "0"
    assert "| 20 of 20 pushes, each" in seen
    assert list(tmp_path.iterdir()) == []


def test_database_of_the_settings_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'theirs.sqlite3'}"

    done = bench(DATABASE_URL=url, BENCH_DATABASE_URL=url)

    assert done.returncode != 0
    assert "BENCH_DATABASE_URL must not be DATABASE_URL" in done.stderr
    assert list(tmp_path.iterdir()) == []
