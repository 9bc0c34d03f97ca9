"""A worker that is paused, cancelled, killed or shut down: the file is whole or there is none."""

from __future__ import annotations

from functools import partial

import pytest

from exports import lifecycle
from exports.files import storage
from exports.lifecycle import attempts, rescue
from exports.models import Export, Part
from exports.status import Status
from exports.worker import runner
from exports.worker.progress import Ticker
from notifications.models import Event, Retained, Stream
from tests.support.exporting import (
    events,
    expire_lease,
    force_status,
    log,
    make_flights,
    resume_with,
    retained,
    run,
    start,
)
from tests.support.running import assert_whole, left_in_storage, watched
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """Nothing catches it: the worker is gone from one line to the next."""


def asking(action):
    """Somebody else does that to the export meanwhile."""
    return lambda: action(Export.objects.get())


def kill():
    raise Killed


def tables():
    """Everything that a fenced worker could have written."""
    return [
        list(model.objects.order_by("pk").values()) for model in (Export, Part, Event, Retained)
    ] + [list(Stream.objects.order_by("pk").values("name", "head", "revision"))]


# -- Paused and cancelled ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "rest"), [(lifecycle.pause, "paused"), (lifecycle.cancel, "cancelled")]
)
@pytest.mark.usefixtures("small_parts", "every_page")
def test_worker_stops_within_a_page_of_the_request(superuser, at, asked, rest):
    export = watched(superuser)
    at(13, asking(asked))
    for key in range(15, 36):
        at(key, kill)  # The page of 13 is read to its end; another row would be too many.

    run(export)

    assert export.status == rest
    assert (export.lease_expires_at, export.stage, export.rate) == (None, "", None)
    assert events(export.stream)[-1] == f"export.{rest}"
    assert (export.rows_done, retained(export.stream, export.key)["rows_done"]) == (10, 10)
    assert list(export.parts.values_list("status", flat=True)) == ["done", "open", "open", "open"]


@pytest.mark.proves("stopping-takes-a-second")
@pytest.mark.usefixtures("small_parts", "every_page")
def test_resumed_export_continues_from_its_finished_parts(superuser, at):
    export = watched(superuser)
    at(25, asking(lifecycle.pause))
    run(export)
    for key in range(1, 21):
        at(key, kill)  # Nobody may read those again.

    lifecycle.resume(export)
    export = resume_with(export)

    assert_whole(export)
    assert "Continuing from the finished parts: 20 rows are done." in log(export)
    assert list(Part.objects.values_list("attempt", flat=True)) == [1, 1, 2, 1]
    assert events(export.stream) == [
        "export.queued",
        "export.started",
        "export.pausing",
        "export.paused",
        "export.queued",
        "export.started",
        "export.succeeded",
    ]


@pytest.mark.proves("stopping-takes-a-second")
@pytest.mark.usefixtures("small_parts", "every_page")
def test_export_paused_during_assembly_is_assembled_again(superuser, monkeypatch):
    make_flights(range(1, 36))
    export = start(superuser)
    open_file = storage.open_file

    def pause_and_open(name):
        monkeypatch.setattr(storage, "open_file", open_file)
        lifecycle.pause(Export.objects.get())
        return open_file(name)

    monkeypatch.setattr(storage, "open_file", pause_and_open)
    run(export)
    assert export.status == Status.PAUSED

    lifecycle.resume(export)

    assert_whole(resume_with(export))


@pytest.mark.parametrize(
    ("asked", "rest"), [(lifecycle.pause, "paused"), (lifecycle.cancel, "cancelled")]
)
@pytest.mark.usefixtures("small_parts")
def test_stop_requested_after_assembly_takes_effect(superuser, monkeypatch, asked, rest):
    make_flights(range(1, 36))
    export = start(superuser)
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
        assert_whole(resume_with(export))


# -- Lost workers --------------------------------------------------------------------------------


@pytest.mark.proves("killed-worker-costs-one-part")
@pytest.mark.parametrize("where", [1, 4, 10, 11, 25, 35])
@pytest.mark.usefixtures("small_parts")
def test_file_after_a_killed_worker_equals_an_undisturbed_one(superuser, at, where):
    export = watched(superuser)
    at(where, kill)
    with pytest.raises(Killed):
        run(export)
    done = set(Part.objects.filter(status="done").values_list("number", flat=True))

    expire_lease(export)
    assert rescue.rescue()["rescued"] == 1
    export.refresh_from_db()
    assert export.rows_done == 10 * len(done)
    for key in range(1, 10 * len(done) + 1):
        at(key, partial(pytest.fail, "This row was in a finished part."))
    export = resume_with(export)

    assert_whole(export)
    assert export.attempt == 2


@pytest.mark.usefixtures("small_parts")
def test_export_survives_repeated_kills(superuser, at, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 5
    export = watched(superuser)
    for key in (3, 14, 26, 33):
        at(key, kill)

    for _ in range(4):
        with pytest.raises(Killed):
            run(export)
        expire_lease(export)
        rescue.rescue()
        export = attempts.claim(export.pk, worker="another")

    assert_whole(run(export))


@pytest.mark.proves("one-worker-holds-an-export")
@pytest.mark.usefixtures("small_parts", "every_page")
def test_fenced_worker_writes_nothing_more_and_stops_quietly(superuser, at):
    def another_takes_it():
        force_status(Export.objects.get(), Status.QUEUED)
        attempts.claim(export.pk, worker="another")
        seen.extend([tables(), left_in_storage()])

    seen = []
    export = watched(superuser)
    at(25, another_takes_it)

    run(export)

    assert [tables(), left_in_storage()] == seen
    assert Export.objects.get().worker == "another"


@pytest.mark.proves("one-worker-holds-an-export")
@pytest.mark.usefixtures("small_parts", "every_page")
def test_stale_worker_changes_nothing_after_another_finished(superuser, at):
    def another_finishes():
        expire_lease(export)
        rescue.rescue()
        finished.append(resume_with(export))
        seen.append(tables())

    finished, seen = [], []
    export = watched(superuser)
    at(25, another_finishes)

    run(export)

    assert [tables()] == seen
    assert_whole(finished[0])


@pytest.mark.parametrize("end", [lifecycle.pause, lifecycle.cancel])
@pytest.mark.usefixtures("small_parts", "every_page")
def test_stale_worker_stops_quietly_after_the_export_was_settled(superuser, at, end):
    def brought_to_rest():
        end(Export.objects.get())
        expire_lease(Export.objects.get())
        assert rescue.rescue()["settled"] == 1
        seen.append(tables())

    seen = []
    export = watched(superuser)
    at(25, brought_to_rest)

    run(export)

    assert [tables()] == seen


@pytest.mark.usefixtures("small_parts")
def test_worker_that_shuts_down_hands_over_its_finished_parts(superuser):
    make_flights(range(1, 36))
    export = start(superuser)
    pages = iter([False] * 7)

    runner.run(export, should_stop=lambda: next(pages, True))

    assert (export.status, export.attempt, export.handovers) == ("queued", 1, 1)
    assert (export.lease_expires_at, export.rows_done) == (None, 20)
    assert log(export)[-1] == "This worker shuts down. The export goes back to the queue."
    assert_whole(resume_with(export))


@pytest.mark.proves("deployment-costs-one-part")
@pytest.mark.usefixtures("small_parts")
def test_worker_that_shuts_down_while_it_assembles_hands_over(superuser):
    make_flights(range(1, 36))
    export = start(superuser)
    pages = iter([False] * 12)  # Eleven of rows, one of the file.

    runner.run(export, should_stop=lambda: next(pages, True))

    assert (export.status, export.rows_done) == ("queued", 35)
    assert_whole(resume_with(export))


@pytest.mark.usefixtures("small_parts", "every_page")
def test_worker_that_shuts_down_completes_a_requested_pause(superuser, at):
    export = watched(superuser)
    stop = []

    def pause_and_stop():
        asking(lifecycle.pause)()
        stop.append(True)

    at(25, pause_and_stop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ticker, "touch", lambda self: None)  # The shutdown is seen first.
        runner.run(export, should_stop=lambda: bool(stop))

    assert Export.objects.get().status == Status.PAUSED


# -- Leases --------------------------------------------------------------------------------------


@pytest.mark.proves("live-worker-keeps-its-export")
@pytest.mark.django_db(transaction=True)
def test_lease_is_renewed_while_the_loop_waits_for_something(superuser, at, settings):
    def leases():
        return Export.objects.get().lease_expires_at, Part.objects.get().lease_expires_at

    def wait_for_renewals():
        of_export, of_part = leases()
        wait_until(lambda: leases()[0] > of_export and leases()[1] > of_part)
        renewed.append(True)

    settings.EXPORTS_LEASE_SECONDS = 1
    export, renewed = watched(superuser), []
    at(25, wait_for_renewals)

    run(export)

    assert renewed
    assert_whole(export)
