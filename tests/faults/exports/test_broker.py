"""Redis is lost in the middle of exports, or gives what it has twice: the rows know better."""

from __future__ import annotations

import time

import pytest
from django_celery_results.models import TaskResult

from exports import lifecycle
from exports.lifecycle import queue
from exports.models import Export
from exports.status import Status
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

EXTRACTING, FINISHING = "row-000525", "save-file"


@pytest.mark.proves("running-export-needs-no-broker")
@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("place", [EXTRACTING, FINISHING])
@pytest.mark.parametrize("happens", ["kill", "freeze", "flush"])
def test_running_export_needs_no_broker(depot, valkey, record_property, happens, place):
    depot.muster()
    hold = depot.traps.hold(place)
    export = depot.request("shared")
    hold.wait()

    getattr(valkey, happens)()
    begin = time.monotonic()
    hold.release()
    depot.wait_for(export)
    record_property("finished without a broker", f"{time.monotonic() - begin:.1f} s")
    valkey.thaw()
    valkey.start()

    depot.assert_unharmed(export)
    assert export.attempt == 1


@pytest.mark.proves("click-survives-broker-outage")
def test_export_requested_without_a_broker_starts_later(depot, beat, valkey, record_property):
    depot.muster()
    valkey.kill()

    begin = time.monotonic()
    export = depot.request()
    took = time.monotonic() - begin

    record_property("the request", f"{took:.1f} s")
    assert took < 5
    assert (export.status, export.enqueued_at) == (Status.QUEUED, None)
    valkey.start()
    depot.assert_unharmed(export)
    assert export.attempt == 1


def messages_done(task):
    return TaskResult.objects.filter(task_name=task, status="SUCCESS").count()


@pytest.mark.proves("duplicate-messages-are-harmless")
def test_message_sent_repeatedly_is_processed_once(depot):
    depot.muster()
    hold = depot.traps.hold(EXTRACTING)

    export = depot.request()
    for _ in range(3):
        queue.enqueue(export.pk)
    hold.wait()
    wait_until(lambda: messages_done(queue.RUN) == 3, what="the others were taken")
    hold.release()
    depot.wait_for(export)
    queue.enqueue(export.pk)
    wait_until(lambda: messages_done(queue.RUN) == 5, what="the last one was taken")

    depot.assert_unharmed(export)
    assert (export.attempt, export.task_runs.count()) == (1, 1)


@pytest.mark.proves("duplicate-messages-are-harmless")
def test_one_of_two_workers_with_the_same_message_works(depot):
    depot.muster()

    for again in range(1, 6):
        export = depot.request("few")
        queue.enqueue(export.pk)
        depot.wait_for(export)
        wait_until(lambda again=again: messages_done(queue.RUN) == 2 * again, what="both messages")
        assert (export.attempt, depot.ends_of(export)) == (1, ["export.succeeded"])

    depot.assert_clean()


@pytest.mark.proves("duplicate-messages-are-harmless")
@pytest.mark.parametrize("exporter", ["alone", "shared"])
def test_unneeded_request_for_helpers_changes_nothing(depot, exporter):
    depot.muster()
    hold = depot.traps.hold(EXTRACTING)
    export = depot.request(exporter)
    hold.wait()

    queue.request_helpers(export.pk, 3)
    hold.release()

    depot.assert_unharmed(export)
    assert set(export.parts.values_list("attempt", flat=True)) == {1}


@pytest.mark.proves("duplicate-messages-are-harmless")
def test_helper_message_for_an_inactive_export_changes_nothing(depot, monkeypatch):
    depot.muster()
    over = depot.wait_for(depot.request())
    paused = depot.request()
    lifecycle.pause(paused)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "enqueue", lambda _: False)
        queued = depot.request()
    before = tables()

    for export in (over, paused, queued):
        queue.request_helpers(export.pk, 2)
    wait_until(lambda: messages_done(queue.HELP) == 6, what="all help has come")

    assert tables() == before
    queue.enqueue(queued.pk)
    depot.assert_unharmed(queued)
    assert queued.attempt == 1


def tables():
    exports = Export.objects.order_by("pk")
    return [*exports.values(), *exports.values("parts__number", "parts__attempt", "parts__status")]
