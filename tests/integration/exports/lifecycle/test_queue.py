"""The broker is told, or it is not there and nothing is lost; a worker is told to stop."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from exports.lifecycle import queue, rescue
from exports.models import Export, TaskRun
from exports.status import Status
from tests.support import exporting, flights
from tests.support.exporting import file_with, force_status, log, make_flights, request
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "waybill-exports"


def messages(valkey):
    """What the broker holds, the oldest first."""
    with valkey.client() as client:
        return [json.loads(each) for each in reversed(client.lrange(KEY, 0, -1))]


# -- Telling ------------------------------------------------------------------------


def test_request_enqueues_one_message_with_the_id(superuser, valkey):
    export = request(superuser)

    (message,) = messages(valkey)

    assert message["headers"]["task"] == "exports.run"
    assert message["headers"]["argsrepr"] == f"['{export.pk}']"
    assert Export.objects.get().enqueued_at is not None


def test_queue_length_counts_messages(superuser, valkey):
    assert queue.message_count() == 0

    request(superuser)
    request(superuser)

    assert queue.message_count() == 2


@pytest.mark.proves("click-survives-broker-outage")
def test_broker_outage_does_not_fail_the_click_and_is_rescued(superuser, valkey):
    valkey.kill()

    export = request(superuser)

    assert (export.status, Export.objects.get().enqueued_at) == (Status.QUEUED, None)
    assert exporting.events(export.owner_stream) == ["export.queued"]
    valkey.start()
    assert rescue.rescue()["enqueued"] == 1
    assert len(messages(valkey)) == 1
    assert rescue.rescue()["enqueued"] == 0


@pytest.mark.proves("click-survives-broker-outage")
def test_hanging_broker_delays_the_click_by_seconds_only(superuser, valkey, monkeypatch):
    tries = 2
    assert tries * queue.TIMEOUTS["socket_timeout"] <= 3
    monkeypatch.setattr(queue, "TIMEOUTS", {"socket_timeout": 0.2, "socket_connect_timeout": 0.2})
    valkey.freeze()
    began = time.monotonic()

    told = queue.enqueue(request_quietly(superuser).pk)

    assert not told
    assert time.monotonic() - began < 10  # And not until it thaws.


def request_quietly(superuser):
    """An export that nobody was told of: only the queue is asked in this test."""
    return Export.objects.create(owner=superuser, exporter="flights", label="Flights")


@pytest.mark.proves("click-survives-broker-outage")
def test_message_lost_by_the_broker_is_sent_again(superuser, valkey):
    export = request(superuser)
    force_status(export, Status.QUEUED, enqueued_at=timezone.now() - timedelta(minutes=1))
    valkey.restart()

    assert rescue.rescue()["enqueued"] == 1
    assert len(messages(valkey)) == 1


def test_long_wait_in_the_queue_sends_no_second_message(superuser, valkey):
    for _ in range(2):
        force_status(
            request(superuser), Status.QUEUED, enqueued_at=timezone.now() - timedelta(hours=1)
        )

    assert rescue.rescue()["enqueued"] == 0
    assert len(messages(valkey)) == 2


def test_queue_length_is_unknown_without_a_broker(monkeypatch):
    class Down:
        def __init__(self, **_):
            """As a connection is made."""

        def __enter__(self):
            raise OSError("nobody there")

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(queue.current_app, "connection_for_write", Down)

    assert queue.message_count() is None


# -- A worker -----------------------------------------------------------------------


def test_child_processes_see_the_shutdown_of_the_worker():
    assert not queue.is_shutting_down()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read, 1)
        os._exit(queue.is_shutting_down())

    try:
        queue._notify_children()
        os.write(write, b".")
        _, status = os.waitpid(child, 0)
    finally:
        queue._shutting_down[0] = 0

    assert os.waitstatus_to_exitcode(status) == 1


@pytest.mark.proves("deployment-costs-one-part")
def test_stopped_worker_hands_over_and_the_next_one_finishes(superuser, start_worker):
    make_flights(range(1, 4_001))
    first = start_worker(**flights.SLOWLY)
    export = request(superuser)
    wait_until(lambda: export.parts.filter(status="done").exists(), what="a part is done")

    first.stop()

    export.refresh_from_db()
    assert (export.status, export.attempt, export.handovers) == (Status.QUEUED, 1, 1)
    assert export.lease_expires_at is None
    done = export.parts.filter(status="done").count()
    assert done < export.parts.count()
    start_worker()
    wait_until(lambda: Export.objects.get().is_final, what="the export is over")
    export.refresh_from_db()
    assert exporting.content(export) == file_with(range(1, 4_001))
    assert export.parts.filter(attempt=1).count() >= done
    assert list(TaskRun.objects.values_list("attempt", flat=True)) == [1, 2]
    assert "This worker shuts down. The export goes back to the queue." in log(export)


@pytest.mark.proves("duplicate-messages-are-harmless")
def test_duplicate_message_is_processed_once(superuser, worker):
    make_flights(range(1, 11))
    export = request(superuser)
    for _ in range(3):
        queue.enqueue(export.pk)

    wait_until(lambda: Export.objects.get().is_final, what="the export is over")
    wait_until(lambda: queue.message_count() == 0, what="all messages are taken")

    export.refresh_from_db()
    assert (export.status, export.attempt) == (Status.SUCCEEDED, 1)
    assert exporting.events(export.stream) == [
        "export.queued",
        "export.started",
        "export.succeeded",
    ]
