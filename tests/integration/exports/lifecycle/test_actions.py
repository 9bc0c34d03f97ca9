"""An export is cancelled, paused or resumed."""

from __future__ import annotations

import pytest

from exports import lifecycle
from exports.exceptions import IllegalMove
from exports.lifecycle import attempts
from exports.models import Export
from exports.status import Status
from tests.support.exporting import events, force_status, request

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("status", "after", "said"),
    [
        ("queued", "cancelled", ["export.cancelled"]),
        ("running", "cancelling", ["export.cancelling"]),
        ("pausing", "cancelling", ["export.cancelling"]),
        ("paused", "cancelled", ["export.cancelled"]),
        ("cancelling", "cancelling", []),
    ],
)
def test_cancel_moves_an_active_export(superuser, status, after, said):
    export = force_status(request(superuser), status)

    lifecycle.cancel(export)

    assert export.status == after
    assert events(export.stream)[1:] == said
    assert (export.finished_at is not None) == (after == "cancelled")


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_finished_export_cannot_be_cancelled(superuser, status):
    export = force_status(request(superuser), status)

    with pytest.raises(
        IllegalMove, match=f"This export is {status}. It can no longer be cancelled"
    ):
        lifecycle.cancel(export)

    assert Export.objects.get().status == status


@pytest.mark.parametrize(
    ("status", "after", "said"),
    [
        ("queued", "paused", ["export.paused"]),
        ("running", "pausing", ["export.pausing"]),
        ("pausing", "pausing", []),
        ("paused", "paused", []),
    ],
)
def test_pause_moves_an_active_export(superuser, status, after, said):
    export = force_status(request(superuser), status)

    lifecycle.pause(export)

    assert export.status == after
    assert events(export.stream)[1:] == said


@pytest.mark.parametrize("status", ["cancelling", "succeeded", "failed", "cancelled"])
def test_ending_or_finished_export_cannot_be_paused(superuser, status):
    export = force_status(request(superuser), status)

    with pytest.raises(IllegalMove, match=f"This export is {status}. It can no longer be paused"):
        lifecycle.pause(export)

    assert Export.objects.get().status == status


def test_paused_export_can_be_resumed_and_is_enqueued_again(
    superuser, enqueued, django_capture_on_commit_callbacks
):
    export = force_status(request(superuser), "paused")

    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.resume(export)

    assert export.status == Status.QUEUED
    assert enqueued == [export.pk]
    assert events(export.stream) == ["export.queued", "export.queued"]


def test_resumed_export_waits_behind_queued_exports(superuser):
    paused = force_status(request(superuser), "paused")
    waits = request(superuser)

    lifecycle.resume(paused)

    assert paused.queued_at > waits.queued_at


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PAUSED}))
def test_export_that_is_not_paused_cannot_be_resumed(superuser, status):
    export = force_status(request(superuser), status)

    with pytest.raises(IllegalMove, match=f"This export is {status}. .*resumed"):
        lifecycle.resume(export)

    assert Export.objects.get().status == status
    assert events(export.stream) == ["export.queued"]


def test_stale_object_can_be_cancelled(superuser):
    export = request(superuser)
    stale = Export.objects.get()
    attempts.claim(export.pk, worker="worker-1")

    lifecycle.cancel(stale)

    assert stale.status == Status.CANCELLING
