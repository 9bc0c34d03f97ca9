"""`manage.py export --follow`: workers do the work."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import OperationalError, connections

from exports import lifecycle
from exports.lifecycle import queue
from exports.management.terminal import follow
from exports.models import Export
from notifications.streams import backlog
from tests.support.export_command import KEYS, CommandResult, flights
from tests.support.exporting import events, file_with, resume_with
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def elsewhere(monkeypatch):
    """A worker that takes what the broker is told, and runs beside the command."""
    threads = []

    def work(export_id):
        resume_with(Export.objects.get(pk=export_id))
        connections.close_all()

    def enqueue(export_id):
        threads.append(threading.Thread(target=work, args=[export_id]))
        threads[-1].start()
        return True

    monkeypatch.setattr(queue, "enqueue", enqueue)
    yield
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("elsewhere")
def test_follow_fetches_the_file_of_the_worker(tmp_path):
    target = tmp_path / "flights.csv"

    ran = flights("--follow", "--output", str(target))

    export = Export.objects.get()
    assert (ran.status, ran.out) == (0, "")
    assert target.read_bytes() == file_with(KEYS)
    assert export.worker == "worker-2@tests"
    assert f"INFO    Export {export.pk}, attempt 1 by worker-2@tests." in ran.err


@pytest.mark.usefixtures("elsewhere")
def test_follow_with_json_prints_every_event_and_the_snapshot():
    ran = flights("--follow", "--json")

    export = Export.objects.get()
    *frames, last = [json.loads(line) for line in ran.out.splitlines()]
    happened = [frame for frame in frames if frame["type"] == "event"]
    assert [frame["offset"] for frame in happened] == [*range(1, len(happened) + 1)]
    assert [frame["data"] for frame in happened if frame["event"] == "log"] == events(
        export.stream, "log"
    )
    assert (last["id"], last["status"]) == (str(export.pk), "succeeded")


def test_existing_export_can_be_followed_again():
    flights()
    export = Export.objects.get()

    ran = CommandResult(str(export.pk), "--follow", "--output", "-")

    assert (ran.status, ran.raw) == (0, file_with(KEYS))
    assert Export.objects.count() == 1


def test_follow_stops_at_a_paused_export(superuser):
    export = start_export(user=superuser, exporter="flights", enqueue=False)
    lifecycle.pause(export, by=superuser)

    ran = CommandResult(str(export.pk), "--follow")

    assert (ran.status, ran.error.partition(".")[0]) == (3, "The export is paused")


def test_follow_stops_at_a_deleted_export(superuser, monkeypatch):
    export = start_export(user=superuser, exporter="flights", enqueue=False)
    delete_after(monkeypatch, export)

    ran = CommandResult(str(export.pk), "--follow")

    assert (ran.status, ran.error) == (1, "The export was deleted.")


def delete_after(monkeypatch, export):
    """Delete it once its stream has been read."""
    read = backlog.read

    def then_delete(*arguments):
        page = read(*arguments)
        Export.objects.filter(pk=export.pk).delete()
        return page

    monkeypatch.setattr(backlog, "read", then_delete)


@pytest.mark.usefixtures("elsewhere")
def test_database_outage_is_waited_out(monkeypatch):
    read, failures = backlog.read, ["gone", "still gone"]

    def away(*arguments):
        if failures:
            raise OperationalError(failures.pop(0))
        return read(*arguments)

    monkeypatch.setattr(backlog, "read", away)

    ran = flights("--follow")

    assert ran.status == 0
    assert ran.err.count("The database is not responding. Retrying.") == 1


def test_long_wait_for_a_worker_suggests_the_healthcheck(superuser, monkeypatch):
    monkeypatch.setattr(follow, "HINT_AFTER", 0.0)
    export = start_export(user=superuser, exporter="flights", enqueue=False)
    seen = []

    def then_cancel(watched, *arguments):
        seen.append(watched)
        if len(seen) > 2:
            lifecycle.cancel(Export.objects.get(pk=export.pk))
        return read(watched, *arguments)

    read = backlog.read
    monkeypatch.setattr(backlog, "read", then_cancel)

    ran = CommandResult(str(export.pk), "--follow")

    assert ran.status == 3
    assert (
        ran.err.count(
            "No worker has started the export yet. Check the workers: manage.py healthcheck"
        )
        == 1
    )
