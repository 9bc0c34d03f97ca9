"""`manage.py export` does the work in this process."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connections

from exports import lifecycle
from exports.lifecycle import attempts, fairness, queue, rescue
from exports.management.terminal.progress import Lines
from exports.models import Export
from exports.worker import runner
from tests.support.export_command import KEYS, CommandResult, exporter_calling, flights
from tests.support.exporting import (
    content,
    events,
    expire_lease,
    file_with,
    registered,
    resume_with,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_command_runs_the_export_without_the_broker(enqueued):
    ran = flights()

    export = Export.objects.get()
    assert ran.status == 0
    assert ran.out == f"{export.pk} {export.file}\n"
    assert content(export) == file_with(KEYS)
    assert export.worker.startswith("terminal-")
    assert enqueued == []
    assert events(export.stream) == ["export.queued", "export.started", "export.succeeded"]


def test_export_of_the_command_is_never_visible_as_queued(monkeypatch):
    seen = []
    whole = attempts.claim

    def claim(export_id, **kwargs):
        # Another connection: what a rescue, or a worker, would see now.
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return whole(export_id, **kwargs)

    def look():
        seen.append(Export.objects.count())
        connections.close_all()

    monkeypatch.setattr(attempts, "claim", claim)

    assert flights().status == 0
    assert seen == [0]


def test_progress_is_on_standard_error():
    ran = flights()

    assert ran.err.splitlines()[-1] == "Succeeded."


def test_verbosity_zero_prints_nothing(tmp_path):
    ran = flights("--verbosity", "0", "--output", str(tmp_path / "flights.csv"))

    assert (ran.status, ran.out, ran.err) == (0, "", "")


def test_failed_export_prints_its_reason():
    def fail():
        raise LookupError("no such plane")

    with registered(exporter_calling(fail)):
        ran = CommandResult("acting")

    assert (ran.status, ran.out) == (1, "")
    assert "LookupError: no such plane" in ran.error


@pytest.mark.parametrize(
    ("does", "was"), [(lifecycle.cancel, "cancelled"), (lifecycle.pause, "paused")]
)
def test_stopped_export_ends_the_command_with_status_3(does, was, settings):
    settings.EXPORTS_PAGE_ROWS = 5
    settings.EXPORTS_PART_ROWS = 5

    with registered(exporter_calling(lambda: does(Export.objects.get()))):
        ran = CommandResult("acting")

    assert (ran.status, ran.out) == (3, "")
    assert ran.error.startswith(f"The export is {was}. To follow it: manage.py export ")


def test_command_follows_a_worker_that_takes_over(monkeypatch):
    noticed, say = threading.Event(), Lines.say

    def say_and_tell(lines, text):
        say(lines, text)
        noticed.set()

    def go_on_once_it_is_noticed(export_id):
        assert noticed.wait(30)
        resume_with(Export.objects.get(pk=export_id))
        connections.close_all()

    def lose_it():
        if not others:
            others.append(threading.Thread(target=go_on_once_it_is_noticed, args=[only().pk]))
            expire_lease(only())
            rescue.rescue()
            others[0].start()

    others, only = [], Export.objects.get
    monkeypatch.setattr(Lines, "say", say_and_tell)

    with registered(exporter_calling(lose_it)):
        ran = CommandResult("acting")
        others[0].join()

    export = only()
    assert "Another worker has taken over." in ran.err
    assert (ran.status, ran.out) == (0, f"{export.pk} {export.file}\n")
    assert (export.attempt, export.worker) == (2, "worker-2@tests")


def test_database_error_is_reported_with_the_retry(monkeypatch):
    def refuse(*_, **__):
        raise OperationalError("out of memory")

    monkeypatch.setattr(runner, "run", refuse)

    ran = flights()

    assert ran.status == 1
    assert "Database error: out of memory A worker will retry" in ran.error
    assert Export.objects.get().status == "running"


def test_foreground_run_neither_requests_help_nor_gives_way(settings, monkeypatch):
    settings.EXPORTS_PART_ROWS = 5
    settings.EXPORTS_TURN_SECONDS = 0
    asked = []
    monkeypatch.setattr(fairness, "helpers_wanted", lambda *_: 2)
    monkeypatch.setattr(fairness, "should_yield", lambda: True)
    monkeypatch.setattr(queue, "request_helpers", lambda *arguments: asked.append(arguments))
    # Given back, it would be followed for ever.
    monkeypatch.setattr(queue, "enqueue", lambda pk: lifecycle.cancel(Export.objects.get(pk=pk)))

    assert flights().status == 0

    export = Export.objects.get()
    assert (export.attempt, export.parts.count(), asked) == (1, 4, [])
