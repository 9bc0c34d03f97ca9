"""What workers report: an export comes to rest, is handed over, succeeds or fails."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exports import lifecycle
from exports.exceptions import Fenced
from exports.lifecycle import attempts
from exports.models import Export, Part, PartStatus
from exports.status import Status
from tests.support import exporting
from tests.support.exporting import events, force_status, start

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("asked", "rest"), [("pausing", "paused"), ("cancelling", "cancelled")])
def test_worker_that_notices_a_stop_settles_the_export(superuser, asked, rest):
    export = start(superuser)
    force_status(Export.objects.get(), asked)

    attempts.finish_stopping(export, lines=[{"level": "INFO", "message": "Bye.", "logger": "x"}])

    assert (export.status, export.lease_expires_at) == (rest, None)
    assert (export.stage, export.rate) == ("", None)
    assert exporting.log(export) == ["Bye."]
    assert events(export.stream)[-1] == f"export.{rest}"


def test_parts_of_a_resting_export_are_released(superuser):
    export = start(superuser)
    done = Part.objects.create(
        export=export,
        number=1,
        upto_key="1",
        rows=10,
        status=PartStatus.DONE,
        rows_done=10,
        bytes=5,
    )
    Part.objects.create(
        export=export,
        number=2,
        upto_key="2",
        rows=10,
        status=PartStatus.CLAIMED,
        rows_done=7,
        bytes=3,
        lease_expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )
    force_status(Export.objects.get(), "pausing", rows_done=17, bytes=8)

    attempts.finish_stopping(export)

    assert list(export.parts.values_list("number", "status", "lease_expires_at")) == [
        (1, "done", None),
        (2, "open", None),
    ]
    assert (export.rows_done, export.bytes) == (done.rows_done, done.bytes)


def test_pausing_does_not_count_as_a_worker_that_died(superuser):
    export = start(superuser)
    force_status(Export.objects.get(), "pausing")

    attempts.finish_stopping(export)

    assert (export.attempt, export.handovers) == (1, 1)


@pytest.mark.parametrize("status", ["queued", "paused", "cancelled", "failed", "succeeded"])
def test_worker_of_a_moved_export_is_fenced(superuser, status):
    export = start(superuser)
    force_status(Export.objects.get(), status)

    with pytest.raises(Fenced):
        attempts.finish_stopping(export)

    assert Export.objects.get().status == status


def test_file_finished_during_a_cancellation_does_not_undo_it(superuser):
    export = start(superuser)
    lifecycle.cancel(Export.objects.get())

    attempts.succeed(export, file="a", bytes=1, sha256="b")

    assert export.status == Status.CANCELLED
    assert (export.file, events(export.stream)[-1]) == ("", "export.cancelled")


@pytest.mark.parametrize("end", [attempts.succeed, lambda export: attempts.fail(export, "x")])
def test_fenced_worker_cannot_end_the_export(superuser, end):
    export = start(superuser)
    force_status(Export.objects.get(), Status.QUEUED)
    attempts.claim(export.pk, worker="another")

    with pytest.raises(Fenced):
        end(export)

    assert (Export.objects.get().status, Export.objects.get().worker) == ("running", "another")


def test_hand_over_requeues_the_export_with_its_finished_parts(
    superuser, enqueued, django_capture_on_commit_callbacks
):
    export = start(superuser)
    Part.objects.create(
        export=export,
        number=1,
        upto_key="1",
        rows=10,
        status=PartStatus.DONE,
        rows_done=10,
        bytes=5,
    )
    mine, anothers = (
        Part.objects.create(
            export=export,
            number=number,
            upto_key=str(number),
            rows=10,
            status=PartStatus.CLAIMED,
            rows_done=7,
            by_helper=number == 3,
        )
        for number in (2, 3)
    )
    force_status(export, "running", rows_done=24, rate=5.0)

    with django_capture_on_commit_callbacks(execute=True):
        attempts.hand_over(export, [mine])

    assert enqueued == [export.pk]
    assert (export.status, export.handovers, export.lease_expires_at) == ("queued", 1, None)
    assert (export.rows_done, export.bytes, export.rate) == (17, 5, None)
    assert list(export.parts.values_list("status", flat=True)) == ["done", "open", "claimed"]
    anothers.refresh_from_db()
    assert anothers.rows_done == 7


@pytest.mark.parametrize(("asked", "rest"), [("pausing", "paused"), ("cancelling", "cancelled")])
def test_worker_that_shuts_down_completes_a_requested_stop(superuser, asked, rest):
    export = start(superuser)
    force_status(Export.objects.get(), asked)

    attempts.hand_over(export)

    assert Export.objects.get().status == rest


def test_failure_stores_its_reason(superuser):
    export = start(superuser)

    attempts.fail(export, "The disk is full.")

    assert (export.status, export.error) == ("failed", "The disk is full.")
    assert export.finished_at is not None
    assert export.lease_expires_at is None
    assert events(export.owner_stream, "export.failed")[0]["error"] == "The disk is full."
