"""A worker that nothing disturbs: the file, what people see of it, and its limits."""

from __future__ import annotations

import json
import logging
import re
from functools import partial

import pytest
from django.contrib.auth.models import User

from demo.models import Flight
from exports.exporters import Column, Exporter
from exports.lifecycle import parts
from exports.worker import extract, runner
from exports.worker.progress import Rate, Ticker
from notifications.models import Stream
from tests.support.exporting import (
    content,
    events,
    file_with,
    log,
    make_flights,
    registered,
    retained,
    run,
    start,
)
from tests.support.running import assert_whole, watched

pytestmark = pytest.mark.django_db(transaction=True)


# -- Undisturbed ---------------------------------------------------------------------------------


@pytest.mark.proves("each-row-once")
@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 35])
@pytest.mark.usefixtures("small_parts")
def test_file_has_every_row_of_the_table(superuser, rows):
    make_flights(range(1, rows + 1))

    assert_whole(run(start(superuser)), rows)


def test_single_part_gives_the_same_file_as_many(superuser):
    make_flights(range(1, 36))

    assert_whole(run(start(superuser)))


@pytest.mark.usefixtures("small_parts")
def test_json_lines_have_every_row_with_its_types(superuser):
    make_flights(range(1, 36))

    export = run(start(superuser, format="jsonl", columns=None))

    rows = [json.loads(line) for line in content(export).splitlines()]
    assert [row["id"] for row in rows] == list(range(1, 36))
    assert rows[4] == {
        **rows[3],
        "id": 5,
        "flight": 5,
        "tailnum": "N5",
        "arr_delay": 5,
        "delay": 3,
        "dest_code": "BQN",
        "dest__name": None,
    }
    assert rows[3]["time_hour"] == "2013-01-01T10:00:00+00:00"


@pytest.mark.usefixtures("small_parts")
def test_file_has_the_requested_filters_and_columns(superuser):
    make_flights(range(1, 36))

    export = run(start(superuser, columns=["delay", "id"], filters={"arr_delay_min": 30}))

    assert content(export) == b"delay,id\n28,30\n29,31\n30,32\n31,33\n32,34\n"


def test_streams_show_each_step_and_the_end(superuser):
    make_flights(range(1, 36))

    export = run(start(superuser))

    for stream in (export.stream, export.owner_stream):
        assert events(stream) == ["export.queued", "export.started", "export.succeeded"]
        assert retained(stream, export.key) == events(stream, "export.succeeded")[0]
        assert retained(stream, export.key)["rows_done"] == 35
    assert (export.stage, export.lease_expires_at) == ("", None)
    assert export.finished_at is not None
    assert export.expires_at > export.finished_at


@pytest.mark.usefixtures("small_parts")
def test_log_has_the_steps_in_order(superuser):
    make_flights(range(1, 36))

    export = run(start(superuser))

    lines = log(export)
    assert lines[:-1] == [
        f"Export {export.pk}, attempt 1 by worker-1@tests.",
        "35 rows to extract. Parts: 4. Row by row.",
        "Part 1: 10 rows.",
        "Part 2: 10 rows.",
        "Part 3: 10 rows.",
        "Part 4: 5 rows.",
    ]
    assert lines[-1].startswith(f"35 rows, {export.bytes:,} bytes. This attempt took ")
    assert export.log_lines == len(lines)


@pytest.mark.usefixtures("every_page", "small_parts")
def test_exporters_log_lines_are_in_the_log(superuser, at):
    export = watched(superuser)
    for key in (5, 6, 20):
        at(key, partial(logging.getLogger("exporter").warning, "Odd: flight %s", key))

    run(export)

    data = events(export.stream, "log")
    assert [each for each in data if each["logger"] == "exporter"] == [
        {"level": "WARNING", "message": f"Odd: flight {key}", "logger": "exporter"}
        for key in (5, 6, 20)
    ]


def test_progress_is_reported_four_times_a_second_at_most(superuser, settings, monkeypatch, at):
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    def pass_time():
        clock.now += 0.01

    clock = Clock()
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, clock=clock))
    settings.EXPORTS_PAGE_ROWS = 1
    export = watched(superuser, rows=300)  # Three seconds of them.
    for key in range(1, 301):
        at(key, pass_time)

    run(export)

    stream = Stream.objects.get(name=export.stream)
    # Requested, started, planned, assembling, succeeded: five besides.
    assert 3 * 4 - 1 <= stream.revision - 5 <= 3 * 4


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "xlsx", "parquet"])
@pytest.mark.usefixtures("every_page", "small_parts")
def test_streams_show_the_progress_of_the_assembly(superuser, monkeypatch, file_format):
    make_flights(range(1, 36))
    export = start(superuser, format=file_format)
    told = []
    tick = runner.parts.tick

    def listen(*args, **fields):
        tick(*args, **fields)
        shown = retained(export.stream, export.key)
        if shown["stage"] == "assembling":
            told.append(shown["assembled"])

    monkeypatch.setattr(runner.parts, "tick", listen)
    run(export)

    assert told[0] == 0
    assert told == sorted(told)
    assert max(told) <= 1
    # Both halves of each of four parts.
    assert len(set(told)) >= 8
    assert retained(export.stream, export.key)["assembled"] is None


def test_rows_deleted_after_the_count_are_not_missed(superuser, at):
    export = watched(superuser)
    export_rows = 35
    Flight.objects.filter(id=35).update(arr_delay=0)
    plan = extract.plan

    def plan_then_delete(*arguments):
        ranges = plan(*arguments)
        Flight.objects.filter(id__in=[3, 35]).delete()
        return ranges

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "plan", plan_then_delete)
        run(export)

    assert content(export) == file_with(key for key in range(1, 35) if key != 3)
    assert (export.status, export.rows_done) == ("succeeded", export_rows - 2)


# -- Limits --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
def test_export_with_too_many_rows_is_refused_before_extraction(superuser, settings):
    settings.EXPORTS_MAX_ROWS = 34
    make_flights(range(1, 36))

    export = run(start(superuser))

    assert (export.status, export.rows_done) == ("failed", 0)
    assert export.error.startswith("This export has 35 rows; the limit is 34.")
    assert not export.parts.exists()


@pytest.mark.usefixtures("small_parts", "every_page")
def test_file_that_grows_too_large_is_abandoned(superuser, settings):
    settings.EXPORTS_MAX_BYTES = 500
    make_flights(range(1, 36))

    export = run(start(superuser))

    assert export.status == "failed"
    assert re.match(r"The file has \d+ bytes so far; the limit is 500\.", export.error)
    assert export.file == ""


@pytest.mark.django_db(transaction=True)
def test_first_announced_rate_counts_rows(monkeypatch, settings):
    """A clock that goes a second a row: one row a second is all that may ever be told."""
    settings.EXPORTS_PAGE_ROWS = 100
    now, told = [0.0], []
    tick = parts.tick

    def pass_a_second(number):
        now[0] += 1
        return number

    def note(export, part=None, *, rate=None, **fields):
        told.append(rate)
        return tick(export, part, rate=rate, **fields)

    class Numbers(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [Column("id", needs=["id"], python=pass_a_second)]

    monkeypatch.setattr(runner, "Rate", partial(Rate, clock=lambda: now[0]))
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))
    monkeypatch.setattr(parts, "tick", note)
    user = User.objects.create_superuser("ada")
    make_flights(range(1, 1_201))

    with registered(Numbers):
        run(start(user, exporter="numbers", columns=None))

    assert {rate for rate in told if rate is not None} == {1.0}
