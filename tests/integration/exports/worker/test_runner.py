"""The loop of a worker: whatever ends it, the file is whole or there is none."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from functools import partial

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import OperationalError

from demo.models import Flight
from exports import lifecycle
from exports.exporters import Column, Exporter
from exports.files import storage
from exports.lifecycle import attempts, parts, rescue
from exports.models import Export, Part
from exports.status import Status
from exports.worker import extract, heartbeat, runner
from exports.worker.progress import Rate, Ticker
from notifications.models import Event, Retained, Stream
from tests.support import exporting
from tests.support.exporting import (
    content,
    events,
    file_with,
    go_on,
    left_in,
    log,
    lose,
    make_flights,
    put,
    registered,
    retained,
    run,
    start,
)
from tests.support.waiting import wait_until
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """Nothing catches it: the worker is gone from one line to the next."""


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    """Where files go: `work` while they are made, `files` when they are whole."""
    # It would end queries of the test itself, on the connection that they share.
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 60)
    settings.EXPORTS_PARALLEL = 0  # There is nobody to ask.
    exporting.use_folders(settings, tmp_path)
    with registered(Watched):
        yield tmp_path
    assert left_in(tmp_path / "work") == set()


@pytest.fixture
def small_parts(settings):
    """Parts of ten rows, read four at a time."""
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4


@pytest.fixture
def every_page(monkeypatch):
    """A report with every page, however fast they come."""
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))


@pytest.fixture
def at():
    """Let something happen as the worker comes to a row: `at(25, lambda: …)`."""
    Watched.happens = {}
    yield Watched.happens.__setitem__
    Watched.happens = {}


def watched(person, rows=35, **asked):
    """A claimed export of that many flights, with something that may happen on the way."""
    make_flights(range(1, rows + 1))
    return start(person, exporter="watched", **asked)


def asking(action):
    """Somebody else does that to the export meanwhile."""
    return lambda: action(Export.objects.get())


def kill():
    raise Killed


def assert_whole(export, rows=35):
    """It has succeeded, and the file is what an undisturbed run gives."""
    expected = file_with(range(1, rows + 1))
    export.refresh_from_db()
    assert (export.status, export.error) == ("succeeded", "")
    assert content(export) == expected
    assert export.bytes == len(expected)
    assert export.sha256 == hashlib.sha256(expected).hexdigest()
    assert (export.rows_done, export.rows_total) == (rows, rows)
    assert left_in_storage() == {export.file}


def left_in_storage():
    return left_in(storage.Path(default_storage.location))


def tables():
    """Everything that a fenced worker could have written."""
    return [
        list(model.objects.order_by("pk").values()) for model in (Export, Part, Event, Retained)
    ] + [list(Stream.objects.order_by("pk").values("name", "head", "revision"))]


# -- Undisturbed --------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 35])
@pytest.mark.usefixtures("small_parts")
def test_the_file_has_every_row_of_the_table(person, rows):
    make_flights(range(1, rows + 1))

    assert_whole(run(start(person)), rows)


def test_one_part_gives_the_same_file_as_many(person):
    make_flights(range(1, 36))

    assert_whole(run(start(person)))


@pytest.mark.usefixtures("small_parts")
def test_json_lines_have_every_row_with_its_types(person):
    make_flights(range(1, 36))

    export = run(start(person, format="jsonl", columns=None))

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
def test_filters_and_columns_are_those_that_were_asked_for(person):
    make_flights(range(1, 36))

    export = run(start(person, columns=["delay", "id"], filters={"arr_delay_min": 30}))

    assert content(export) == b"delay,id\n28,30\n29,31\n30,32\n31,33\n32,34\n"


def test_people_see_each_step_and_the_end(person):
    make_flights(range(1, 36))

    export = run(start(person))

    for stream in (export.stream, export.owner_stream):
        assert events(stream) == ["export.queued", "export.started", "export.succeeded"]
        assert retained(stream, export.key) == events(stream, "export.succeeded")[0]
        assert retained(stream, export.key)["rows_done"] == 35
    assert (export.stage, export.lease_expires_at) == ("", None)
    assert export.finished_at is not None
    assert export.expires_at > export.finished_at


@pytest.mark.usefixtures("small_parts")
def test_the_log_tells_the_story_in_order(person):
    make_flights(range(1, 36))

    export = run(start(person))

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
def test_what_an_exporter_logs_is_in_the_log_of_its_export(person, at):
    export = watched(person)
    for key in (5, 6, 20):
        at(key, partial(logging.getLogger("exporter").warning, "Odd: flight %s", key))

    run(export)

    data = events(export.stream, "log")
    assert [each for each in data if each["logger"] == "exporter"] == [
        {"level": "WARNING", "message": f"Odd: flight {key}", "logger": "exporter"}
        for key in (5, 6, 20)
    ]


def test_reports_come_four_times_a_second_at_most(person, settings, monkeypatch, at):
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    def pass_time():
        clock.now += 0.01

    clock = Clock()
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, clock=clock))
    settings.EXPORTS_PAGE_ROWS = 1
    export = watched(person, rows=300)  # Three seconds of them.
    for key in range(1, 301):
        at(key, pass_time)

    run(export)

    stream = Stream.objects.get(name=export.stream)
    # Requested, started, planned, assembling, succeeded: five besides.
    assert 3 * 4 - 1 <= stream.revision - 5 <= 3 * 4


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "xlsx", "parquet"])
@pytest.mark.usefixtures("every_page", "small_parts")
def test_people_see_how_much_of_the_file_is_put_together(person, monkeypatch, file_format):
    make_flights(range(1, 36))
    export = start(person, format=file_format)
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


def test_rows_deleted_after_the_count_are_not_in_the_file_and_not_missed(person, at):
    export = watched(person)
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


# -- Paused and cancelled -----------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "rest"), [(lifecycle.pause, "paused"), (lifecycle.cancel, "cancelled")]
)
@pytest.mark.usefixtures("small_parts", "every_page")
def test_a_worker_stops_within_a_page_of_what_was_asked(person, at, asked, rest):
    export = watched(person)
    at(13, asking(asked))
    for key in range(15, 36):
        at(key, kill)  # The page of 13 is read to its end; another row would be too many.

    run(export)

    assert export.status == rest
    assert (export.lease_expires_at, export.stage, export.rate) == (None, "", None)
    assert events(export.stream)[-1] == f"export.{rest}"
    assert (export.rows_done, retained(export.stream, export.key)["rows_done"]) == (10, 10)
    assert list(export.parts.values_list("status", flat=True)) == ["done", "open", "open", "open"]


@pytest.mark.usefixtures("small_parts", "every_page")
def test_paused_and_resumed_it_goes_on_from_its_finished_parts(person, at):
    export = watched(person)
    at(25, asking(lifecycle.pause))
    run(export)
    for key in range(1, 21):
        at(key, kill)  # Nobody may read those again.

    lifecycle.resume(export)
    export = go_on(export)

    assert_whole(export)
    assert "Going on from the finished parts: 20 rows are done." in log(export)
    assert list(Part.objects.values_list("attempt", flat=True)) == [1, 1, 2, 1]
    assert events(export.stream) == [
        *("export.queued", "export.started", "export.pausing", "export.paused"),
        *("export.queued", "export.started", "export.succeeded"),
    ]


@pytest.mark.usefixtures("small_parts", "every_page")
def test_paused_while_it_is_assembled_it_is_assembled_again(person, monkeypatch):
    make_flights(range(1, 36))
    export = start(person)
    open_file = storage.open_file

    def pause_and_open(name):
        monkeypatch.setattr(storage, "open_file", open_file)
        lifecycle.pause(Export.objects.get())
        return open_file(name)

    monkeypatch.setattr(storage, "open_file", pause_and_open)
    run(export)
    assert export.status == Status.PAUSED

    lifecycle.resume(export)

    assert_whole(go_on(export))


@pytest.mark.parametrize(
    ("asked", "rest"), [(lifecycle.pause, "paused"), (lifecycle.cancel, "cancelled")]
)
@pytest.mark.usefixtures("small_parts")
def test_what_is_asked_when_the_file_is_already_whole_is_done(person, monkeypatch, asked, rest):
    make_flights(range(1, 36))
    export = start(person)
    file_name = storage.file_name

    def ask_and_name(of):
        monkeypatch.setattr(storage, "file_name", file_name)
        asked(Export.objects.get())
        return file_name(of)

    monkeypatch.setattr(storage, "file_name", ask_and_name)
    run(export)

    assert (export.status, export.file) == (rest, "")
    # What is cancelled is over for good; what is paused goes on from its parts.
    kept = Part.objects.values_list("file", flat=True) if rest == "paused" else []
    assert left_in_storage() == set(kept)
    if rest == "paused":
        lifecycle.resume(export)
        assert_whole(go_on(export))


# -- Lost workers -------------------------------------------------------------------


@pytest.mark.parametrize("where", [1, 4, 10, 11, 25, 35])
@pytest.mark.usefixtures("small_parts")
def test_after_a_worker_is_killed_the_file_is_what_an_undisturbed_run_gives(person, at, where):
    export = watched(person)
    at(where, kill)
    with pytest.raises(Killed):
        run(export)
    done = set(Part.objects.filter(status="done").values_list("number", flat=True))

    lose(export)
    assert rescue.rescue()["rescued"] == 1
    export.refresh_from_db()
    assert export.rows_done == 10 * len(done)
    for key in range(1, 10 * len(done) + 1):
        at(key, partial(pytest.fail, "This row was in a finished part."))
    export = go_on(export)

    assert_whole(export)
    assert export.attempt == 2


@pytest.mark.usefixtures("small_parts")
def test_killed_again_and_again_it_still_gets_there(person, at, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 5
    export = watched(person)
    for key in (3, 14, 26, 33):
        at(key, kill)

    for _ in range(4):
        with pytest.raises(Killed):
            run(export)
        lose(export)
        rescue.rescue()
        export = attempts.claim(export.pk, worker="another")

    assert_whole(run(export))


@pytest.mark.usefixtures("small_parts", "every_page")
def test_a_fenced_worker_writes_nothing_more_and_stops_quietly(person, at):
    def another_takes_it():
        put(Export.objects.get(), Status.QUEUED)
        attempts.claim(export.pk, worker="another")
        seen.extend([tables(), left_in_storage()])

    seen = []
    export = watched(person)
    at(25, another_takes_it)

    run(export)

    assert [tables(), left_in_storage()] == seen
    assert Export.objects.get().worker == "another"


@pytest.mark.usefixtures("small_parts", "every_page")
def test_a_worker_that_comes_back_when_another_has_finished_changes_nothing(person, at):
    def another_finishes():
        lose(export)
        rescue.rescue()
        finished.append(go_on(export))
        seen.append(tables())

    finished, seen = [], []
    export = watched(person)
    at(25, another_finishes)

    run(export)

    assert [tables()] == seen
    assert_whole(finished[0])


@pytest.mark.parametrize("end", [lifecycle.pause, lifecycle.cancel])
@pytest.mark.usefixtures("small_parts", "every_page")
def test_a_worker_that_comes_back_when_it_was_brought_to_rest_stops_quietly(person, at, end):
    def brought_to_rest():
        end(Export.objects.get())
        lose(Export.objects.get())
        assert rescue.rescue()["settled"] == 1
        seen.append(tables())

    seen = []
    export = watched(person)
    at(25, brought_to_rest)

    run(export)

    assert [tables()] == seen


@pytest.mark.usefixtures("small_parts")
def test_a_worker_that_shuts_down_hands_over_with_its_finished_parts(person):
    make_flights(range(1, 36))
    export = start(person)
    pages = iter([False] * 7)

    runner.run(export, should_stop=lambda: next(pages, True))

    assert (export.status, export.attempt, export.handovers) == ("queued", 1, 1)
    assert (export.lease_expires_at, export.rows_done) == (None, 20)
    assert log(export)[-1] == "This worker shuts down. The export goes back to the queue."
    assert_whole(go_on(export))


@pytest.mark.usefixtures("small_parts")
def test_a_worker_that_shuts_down_while_it_assembles_hands_over(person):
    make_flights(range(1, 36))
    export = start(person)
    pages = iter([False] * 12)  # Eleven of rows, one of the file.

    runner.run(export, should_stop=lambda: next(pages, True))

    assert (export.status, export.rows_done) == ("queued", 35)
    assert_whole(go_on(export))


@pytest.mark.usefixtures("small_parts", "every_page")
def test_a_worker_that_shuts_down_as_somebody_pauses_lets_it_rest(person, at):
    export = watched(person)
    stop = []

    def pause_and_stop():
        asking(lifecycle.pause)()
        stop.append(True)

    at(25, pause_and_stop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ticker, "touch", lambda self: None)  # The shutdown is seen first.
        runner.run(export, should_stop=lambda: bool(stop))

    assert Export.objects.get().status == Status.PAUSED


# -- Failures -----------------------------------------------------------------------


def raise_(error):
    raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such engine"), "ValueError: no such engine"),
        (KeyError("speed"), "KeyError: 'speed'"),
        (ValueError("text with a \0 and \ud800"), "ValueError: text with a \ufffd and ?"),
        (ValueError("x" * 5_000), f"ValueError: {'x' * 988} …"),
    ],
)
@pytest.mark.usefixtures("small_parts")
def test_an_exporter_that_raises_fails_with_the_reason_and_the_worker_lives(
    person, at, error, reason
):
    export = watched(person)
    at(25, partial(raise_, error))

    run(export)

    export.refresh_from_db()
    assert (export.status, export.error) == ("failed", reason)
    assert (export.lease_expires_at, export.stage) == (None, "")
    assert events(export.owner_stream, "export.failed")[0]["error"] == reason
    (traceback,) = [
        line["message"] for line in events(export.stream, "log") if line["level"] == "ERROR"
    ]
    assert traceback.startswith("The export failed.\nTraceback")


def test_who_has_lost_the_permission_since_is_told_so():
    user = User.objects.create_user("somebody")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    export = start(user)
    user.user_permissions.clear()
    export.refresh_from_db()

    run(export)

    assert export.status == Status.FAILED
    assert export.error.startswith('You may not export "Flights".')


@pytest.mark.usefixtures("small_parts")
def test_a_storage_that_is_full_fails_with_the_reason(person, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    make_flights(range(1, 36))
    export = start(person)
    monkeypatch.setattr(FileSystemStorage, "_save", full)

    run(export)

    assert (export.status, export.error) == (
        "failed",
        "OSError: [Errno 28] No space left on device",
    )
    assert left_in_storage() == set()


def test_a_work_folder_that_is_full_fails_with_the_reason_and_leaves_no_file(person, monkeypatch):
    class FullDisk:
        def write(self, block):
            raise OSError(28, "No space left on device")

        def close(self):
            raise OSError(28, "No space left on device")

    def new_file(self, digest):
        made(self, digest)
        self._file.close()
        self._file = FullDisk()

    made = storage.NewFile.__init__
    make_flights(range(1, 36))
    export = start(person)
    monkeypatch.setattr(storage.NewFile, "__init__", new_file)

    run(export)

    assert export.error == "OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-1], r"Part 2 has \d+ bytes in storage and had \d+ when"),
        (lambda content: content + b"x", r"Part 2 has \d+ bytes in storage"),
        (lambda content: content.replace(b"United", b"untied"), r"Part 2 .* its CRC-32 is"),
        (lambda content: b"", r"Part 2 has 0 bytes in storage"),
        (lambda content: None, r"FileNotFoundError"),
    ],
)
@pytest.mark.usefixtures("small_parts")
def test_a_part_that_is_not_what_was_written_fails_and_gives_no_file(person, at, damage, reason):
    def tamper():
        name = Part.objects.get(number=2).file
        with default_storage.open(name) as file:
            new = damage(file.read())
        default_storage.delete(name)
        if new is not None:
            assert default_storage.save(name, ContentFile(new)) == name

    export = watched(person)
    at(25, tamper)

    run(export)

    assert (export.status, export.file) == ("failed", "")
    assert re.search(reason, export.error)


def test_a_storage_that_cannot_delete_does_not_undo_the_success(person, monkeypatch):
    class ClientError(Exception):
        """As of S3: no OSError."""

    make_flights(range(1, 36))
    export = start(person)
    monkeypatch.setattr(FileSystemStorage, "delete", lambda *_: raise_(ClientError("denied")))

    run(export)

    assert export.status == Status.SUCCEEDED
    assert content(export) == file_with(range(1, 36))


def test_what_a_killed_worker_had_stored_and_not_told_of_is_removed_in_the_end(person):
    make_flights(range(1, 36))
    export = start(person)
    part = Part(export=export, number=1, attempt=7)
    for name in (storage.part_name(part), storage.file_name(export).replace("/1.", "/7.")):
        default_storage.save(name, ContentFile(b"of nobody"))

    assert_whole(run(export))


def test_a_storage_that_cannot_list_does_not_undo_the_success(person, monkeypatch):
    make_flights(range(1, 36))
    export = start(person)
    monkeypatch.setattr(FileSystemStorage, "listdir", lambda *_: raise_(NotImplementedError()))

    assert_whole(run(export))


@pytest.mark.usefixtures("small_parts")
def test_an_error_of_the_database_is_raised_and_rescue_decides(person, at):
    export = watched(person)
    at(25, partial(raise_, OperationalError("canceling statement due to statement timeout")))

    with pytest.raises(OperationalError):
        run(export)

    assert export.status == Status.RUNNING
    assert export.lease_expires_at is not None
    assert "canceling statement due to statement timeout" in log(export)[-1]
    lose(export)
    assert rescue.rescue()["rescued"] == 1
    assert_whole(go_on(export))


@pytest.mark.usefixtures("small_parts")
def test_what_the_database_refuses_again_and_again_is_the_reason_in_the_end(person, at, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 2
    export = watched(person)
    for _ in range(2):
        at(25, partial(raise_, OperationalError("statement timeout")))
        with pytest.raises(OperationalError):
            run(export)
        lose(export)
        rescued = rescue.rescue()
        if rescued["rescued"]:
            export = attempts.claim(export.pk, worker="another")

    export.refresh_from_db()
    assert (export.status, export.error) == ("failed", "The database refused: statement timeout")


# -- Leases -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_the_loop_waits_for_something(person, at, settings):
    def leases():
        return Export.objects.get().lease_expires_at, Part.objects.get().lease_expires_at

    def wait_for_renewals():
        of_export, of_part = leases()
        wait_until(lambda: leases()[0] > of_export and leases()[1] > of_part)
        renewed.append(True)

    settings.EXPORTS_LEASE_SECONDS = 1
    export, renewed = watched(person), []
    at(25, wait_for_renewals)

    run(export)

    assert renewed
    assert_whole(export)


# -- Limits -------------------------------------------------------------------------


@pytest.mark.usefixtures("small_parts")
def test_more_rows_than_allowed_are_refused_before_any_is_extracted(person, settings):
    settings.EXPORTS_MAX_ROWS = 34
    make_flights(range(1, 36))

    export = run(start(person))

    assert (export.status, export.rows_done) == ("failed", 0)
    assert export.error.startswith("It would have 35 rows, and may have 34 at most.")
    assert not export.parts.exists()


@pytest.mark.usefixtures("small_parts", "every_page")
def test_a_file_that_grows_too_large_is_given_up(person, settings):
    settings.EXPORTS_MAX_BYTES = 500
    make_flights(range(1, 36))

    export = run(start(person))

    assert export.status == "failed"
    assert re.match(r"Its file has \d+ bytes so far, and may have 500 at most\.", export.error)
    assert export.file == ""


@pytest.mark.django_db(transaction=True)
def test_the_first_rate_that_is_told_is_not_that_of_no_rows(monkeypatch, settings):
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
