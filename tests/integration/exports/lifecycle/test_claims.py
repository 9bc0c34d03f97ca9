"""A worker claims an export; of many, one gets it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection

from exports.exceptions import LostRace
from exports.lifecycle import attempts
from exports.models import Export, TaskRun
from exports.status import Status
from tests.support.exporting import events, request, start

pytestmark = pytest.mark.django_db


def test_claim_takes_the_next_attempt_and_a_lease(superuser):
    export = attempts.claim(request(superuser).pk, worker="worker-1", task_id="task-1")

    assert (export.status, export.stage) == (Status.RUNNING, "counting")
    assert (export.attempt, export.worker) == (1, "worker-1")
    assert export.lease_expires_at > datetime.now(UTC)
    assert export.started_at is not None
    run = TaskRun.objects.get()
    assert (run.export_id, run.task_id, run.attempt) == (export.pk, "task-1", 1)
    assert events(export.owner_stream) == ["export.queued", "export.started"]


@pytest.mark.proves("one-worker-holds-an-export")
def test_second_worker_loses_the_claim(superuser):
    export = request(superuser)
    attempts.claim(export.pk, worker="first")

    with pytest.raises(LostRace, match="is not waiting for a worker"):
        attempts.claim(export.pk, worker="second")

    assert Export.objects.get().worker == "first"
    assert Export.objects.get().attempt == 1


def test_task_of_a_missing_export_does_nothing():
    with pytest.raises(LostRace):
        attempts.claim("6458b5bf-0000-4000-8000-000000000001", worker="first")


def test_each_claim_raises_the_attempt_and_keeps_the_first_start(superuser):
    first = start(superuser)
    attempts.hand_over(first)

    second = attempts.claim(first.pk, worker="another")

    assert (second.attempt, second.handovers) == (2, 1)
    assert second.started_at == Export.objects.get().started_at
    assert (
        events(first.stream, "export.started")[0]["started_at"]
        == (events(first.stream, "export.started")[1]["started_at"])
    )


@pytest.mark.proves("one-worker-holds-an-export")
@pytest.mark.django_db(transaction=True)
def test_one_of_many_simultaneous_claims_wins(superuser):
    export = request(superuser)
    barrier = threading.Barrier(4)
    outcomes = []

    def claim(name):
        barrier.wait()
        try:
            outcomes.append(attempts.claim(export.pk, worker=name).worker)
        except LostRace:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=[f"worker-{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winner = Export.objects.get()
    assert sorted(outcomes, key=str) == sorted([winner.worker, None, None, None], key=str)
    assert winner.attempt == 1
    assert events(export.stream) == ["export.queued", "export.started"]
