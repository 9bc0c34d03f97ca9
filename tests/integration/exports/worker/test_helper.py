"""Several workers extract one export: who helps decides nothing, and leaves nothing behind."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from exports import lifecycle
from exports.lifecycle import fairness, parts
from exports.models import Export, Part
from exports.status import Status
from exports.worker import heartbeat, runner
from exports.worker import helper as helping
from exports.worker.progress import Ticker
from tests.support import exporting
from tests.support.exporting import (
    content,
    file_with,
    force_status,
    left_in,
    log,
    make_flights,
    registered,
    request,
    resume_with,
    run,
    start,
)
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)

HELPER = "worker-2@tests"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    exporting.use_folders(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4
    settings.EXPORTS_PARALLEL = 0  # Nobody is asked: whoever helps here is called.
    # It would end queries of the test itself, on the connection that they share.
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 60)
    monkeypatch.setattr(helping, "Ticker", partial(Ticker, interval=0))
    Watched.happens = {}
    with registered(Watched):
        yield tmp_path
    assert left_in(tmp_path / "work") == set()


def watched(superuser, rows=35):
    make_flights(range(1, rows + 1))
    return start(superuser, exporter="watched")


def help_out(export):
    """Let another worker help, until it has had enough: a thread, with a connection and a log."""

    def work():
        try:
            helping.help_with(export.pk, worker=HELPER, should_stop=lambda: False)
        finally:
            connection.close()

    helper = threading.Thread(target=work)
    helper.start()
    helper.join()


def assert_whole(export, rows=35):
    export.refresh_from_db()
    assert (export.status, export.error) == ("succeeded", "")
    assert content(export) == file_with(range(1, rows + 1))
    assert (export.rows_done, export.rows_total) == (rows, rows)
    assert left_in(runner.storage.Path(default_storage.location)) == {export.file}


def statuses(export):
    return list(export.parts.order_by("number").values_list("status", "by_helper"))


def test_log_lines_of_a_helper_name_the_helper(superuser):
    export = watched(superuser)
    Watched.happens = {3: partial(help_out, export)}

    run(export)

    lines = exporting.events(export.stream, "log")
    mine = [line for line in lines if line["message"].endswith(f"by {HELPER}.")]
    assert {(line.get("worker"), line.get("attempt")) for line in mine} == {(HELPER, 1)}
    assert not any("worker" in line for line in lines if line not in mine)


def test_helper_extracts_parts_that_the_holder_has_not(superuser):
    export = watched(superuser)
    Watched.happens[5] = lambda: help_out(export)

    run(export)

    assert_whole(export)
    assert [line for line in log(export) if "by worker-2" in line] == [
        f"Part {number}: {rows} rows, by {HELPER}." for number, rows in ((2, 10), (3, 10), (4, 5))
    ]
    assert set(export.parts.values_list("number", "by_helper")) == {
        (1, False),
        (2, True),
        (3, True),
        (4, True),
    }


def test_holder_takes_over_a_helpers_part_after_its_lease(superuser, settings):
    def a_helper_takes_a_part_and_is_never_heard_of_again():
        settings.EXPORTS_LEASE_SECONDS = 1
        assert parts.claim(export, helper=HELPER).number == 2
        settings.EXPORTS_LEASE_SECONDS = 30

    export = watched(superuser, rows=20)
    Watched.happens[5] = a_helper_takes_a_part_and_is_never_heard_of_again

    run(export)

    assert_whole(export, rows=20)
    assert export.parts.get(number=2).attempt == 2


def test_helper_gives_way_after_its_part_when_exports_are_queued(superuser):
    export = watched(superuser)
    Watched.happens[5] = lambda: help_out(export)
    Watched.happens[15] = lambda: request(superuser, label="waits")
    Watched.happens[25] = lambda: seen.extend(statuses(export))
    seen = []

    run(export)

    assert_whole(export)
    assert seen == [("done", False), ("done", True), ("claimed", False), ("open", False)]


def test_error_of_a_helper_is_left_to_the_holder(superuser):
    def fail():
        raise ValueError("Not this one.")

    def helped():
        Watched.happens[15] = fail
        help_out(export)
        seen.extend(statuses(export))
        Watched.happens[15] = fail

    seen = []
    export = watched(superuser, rows=20)
    Watched.happens[5] = helped

    run(export)

    # Each fails once, when it comes to it: so the row cannot be named.
    assert seen == [("claimed", False), ("open", True)]
    assert (export.status, export.error) == ("failed", "ValueError: Not this one.")


@pytest.mark.parametrize(("ask", "rest"), [("pause", "paused"), ("cancel", "cancelled")])
def test_helper_stops_when_the_export_is_stopped(superuser, ask, rest):
    export = watched(superuser)
    Watched.happens[5] = lambda: help_out(export)
    Watched.happens[13] = lambda: getattr(lifecycle, ask)(Export.objects.get(pk=export.pk))

    run(export)

    assert export.status == rest
    assert set(export.parts.values_list("status", flat=True)) == {"open"}


def test_resumed_export_keeps_parts_finished_by_helpers(superuser):
    export = watched(superuser)
    Watched.happens[5] = lambda: help_out(export)
    Watched.happens[23] = lambda: lifecycle.pause(Export.objects.get(pk=export.pk))
    run(export)
    done = set(export.parts.filter(status="done").values_list("number", flat=True))
    Watched.happens[15] = partial(pytest.fail, "This row was in a finished part.")

    lifecycle.resume(export)
    export = resume_with(export)

    assert done == {2}
    Watched.happens = {}
    assert_whole(export)


def test_frozen_helper_without_its_part_changes_nothing(superuser):
    def taken():
        Part.objects.filter(number=2).update(lease_expires_at="2013-01-01T00:00:00Z")
        assert parts.claim(export).number == 2
        seen.append(list(Part.objects.order_by("number").values()))

    seen = []
    export = watched(superuser)
    Watched.happens[5] = lambda: help_out(export)
    Watched.happens[15] = taken
    Watched.happens[8] = lambda: seen.append(list(Part.objects.order_by("number").values()))

    runner.run(export, should_stop=lambda: len(seen) > 1)

    assert seen[0][1:] == seen[1][1:]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.PAUSED, Status.SUCCEEDED])
def test_helper_does_nothing_for_an_export_that_is_not_running(superuser, status):
    export = watched(superuser)
    parts.save_plan(export, [Part(export=export, number=1, upto_key="35", rows=35)], 35)
    force_status(export, status)

    help_out(export)

    assert statuses(export) == [("open", False)]


def test_helper_that_comes_before_the_plan_leaves(superuser):
    export = watched(superuser)

    help_out(export)

    assert not export.parts.exists()


def test_helper_that_shuts_down_opens_its_part(superuser):
    export = watched(superuser)
    parts.save_plan(export, [Part(export=export, number=1, upto_key="35", rows=35)], 35)

    helping.help_with(export.pk, worker=HELPER, should_stop=lambda: True)

    assert statuses(export) == [("open", True)]


# -- Turns ----------------------------------------------------------------------------------


def test_helpers_wait_until_the_snapshot_exists(superuser):
    export = watched(superuser)
    Watched.happens[5] = lambda: (
        Export.objects.update(consistency="snapshot", snapshot_id=""),
        help_out(export),
        seen.append(set(export.parts.values_list("by_helper", flat=True))),
        Export.objects.update(consistency="row"),
    )
    seen = []

    run(export)

    assert seen == [{False}]


@pytest.fixture
def messages(monkeypatch):
    """What the broker says how many wait: `messages["exports"] = 1`."""
    found = {"exports": 0, "exports-help": 0}
    monkeypatch.setattr(fairness.queue, "message_count", found.get)
    monkeypatch.setattr(fairness, "_retry_at", 0.0)
    return found


def test_holder_gives_way_when_exports_are_queued(superuser, messages, settings):
    settings.EXPORTS_TURN_SECONDS = 0
    messages["exports"] = 1
    export = watched(superuser)
    Watched.happens[5] = lambda: request(superuser, label="waits")

    run(export)

    assert (export.status, export.rows_done, export.handovers) == ("queued", 10, 1)
    assert log(export)[-1] == "Other exports wait for a worker. This one continues after them."
    assert list(export.parts.values_list("status", flat=True)) == ["done", "open", "open", "open"]
    Export.objects.exclude(pk=export.pk).delete()
    assert_whole(resume_with(export))


def test_export_that_gave_way_waits_behind_the_others(superuser, messages, settings):
    settings.EXPORTS_TURN_SECONDS = 0
    messages["exports"] = 1
    export = watched(superuser)
    Watched.happens[5] = lambda: request(superuser, label="waits")

    run(export)

    waiting = Export.objects.filter(status=Status.QUEUED).order_by("queued_at")
    assert [each.label for each in waiting] == ["waits", export.label]


@pytest.mark.parametrize(
    ("turn_seconds", "told"), [(60, 1), (0, 0), (0, None)], ids=["early", "lost", "no broker"]
)
def test_holder_keeps_its_export_within_its_turn(superuser, messages, settings, turn_seconds, told):
    settings.EXPORTS_TURN_SECONDS = turn_seconds
    messages["exports"] = told
    export = watched(superuser)
    Watched.happens[5] = lambda: request(superuser, label="waits")

    run(export)

    assert_whole(export)


def test_holder_continues_if_a_helper_gives_way(superuser, messages, settings):
    settings.EXPORTS_TURN_SECONDS = 0
    messages["exports"] = 1
    export = watched(superuser)
    other = start(superuser, label="other")
    parts.save_plan(other, [Part(export=other, number=1, upto_key="35", rows=35)], 35)
    parts.claim(other, helper=HELPER)
    Watched.happens[5] = lambda: request(superuser, label="waits")

    run(export)

    assert_whole(export)


def test_helpers_wanted_are_limited_by_parts_and_messages(superuser, messages):
    export = start(superuser)
    new = [Part(export=export, number=n, upto_key=str(n), rows=1) for n in range(1, 5)]
    parts.save_plan(export, new, 4)

    assert fairness.helpers_wanted(export, 10) == 3
    assert fairness.helpers_wanted(export, 2) == 2
    messages["exports-help"] = 1
    assert fairness.helpers_wanted(export, 2) == 1
    parts.claim(export, helper=HELPER)
    assert fairness.helpers_wanted(export, 2) == 0
    messages["exports-help"] = 0
    assert fairness.helpers_wanted(export, 2) == 1
    request(superuser, label="waits")
    assert fairness.helpers_wanted(export, 2) == 0


def test_unresponsive_broker_is_not_queried_after_each_part(superuser, monkeypatch):
    asked = []
    monkeypatch.setattr(fairness, "_retry_at", 0.0)
    monkeypatch.setattr(fairness.queue, "message_count", asked.append)
    export = start(superuser)
    new = [Part(export=export, number=n, upto_key=str(n), rows=1) for n in range(1, 5)]
    parts.save_plan(export, new, 4)

    assert [fairness.helpers_wanted(export, 2) for _ in range(5)] == [0] * 5

    assert asked == ["exports-help"]
