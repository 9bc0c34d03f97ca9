"""A queued export waits for room, or fails when its owner is over the quota."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from exports.exceptions import WaitsForSpace
from exports.lifecycle import attempts, rescue, room
from exports.models import Export, Part
from exports.serialize import snapshot
from exports.status import Status
from tests.support.exporting import (
    content,
    file_with,
    force_status,
    make_flights,
    request,
    resume_with,
    retained,
    run,
    start,
)
from tests.support.room import TOO_LITTLE, finished, with_part

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.proves("free-space-is-kept")
@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
def test_queued_export_waits_for_room_and_then_continues(settings, enqueued, setting, value):
    superuser = User.objects.create_superuser("person")
    make_flights(range(1, 36))
    export = request(superuser)
    other = finished(User.objects.create_superuser("other"), 100)
    setattr(settings, setting, value)
    enqueued.clear()

    with pytest.raises(WaitsForSpace):
        attempts.claim(export.pk, worker="w")
    export.refresh_from_db()
    rescue.rescue()

    assert (export.status, export.attempt) == ("queued", 0)
    assert enqueued == []  # Nobody could take it.
    assert snapshot(export)["waits_for"] == "space"
    for stream in export.streams:
        assert retained(stream, export.key)["waits_for"] == "space"

    Export.objects.filter(pk=other.pk).update(file="")
    settings.EXPORTS_MIN_FREE_BYTES = 0
    rescue.rescue()

    assert enqueued == [export.pk]
    assert retained(export.stream, export.key)["waits_for"] == ""
    settings.EXPORTS_MAX_STORED_BYTES = 0  # Its own file is larger.
    assert content(resume_with(export)) == file_with(range(1, 36))


def test_exports_that_waited_longest_continue_first(superuser, monkeypatch, enqueued):
    monkeypatch.setattr(room, "RELEASED", 2)
    now = timezone.now()
    waiting = [
        force_status(
            request(superuser), "queued", waits_for="space", queued_at=now - timedelta(hours=hours)
        )
        for hours in (1, 3, 2)
    ]

    assert room.release_waiting() == 2

    still = Export.objects.filter(waits_for="space")
    assert list(still.values_list("pk", flat=True)) == [waiting[0].pk]


def test_check_for_room_costs_one_query_without_waiting_exports(settings):
    settings.EXPORTS_MAX_STORED_BYTES = 100

    with CaptureQueriesContext(connection) as asked:
        assert room.release_waiting() == 0

    assert len(asked) == 1


def test_claimed_export_no_longer_waits_for_room(superuser):
    export = start(superuser)
    Export.objects.filter(pk=export.pk).update(waits_for="")

    room.wait_for_space(export)

    export.refresh_from_db()
    assert (export.status, export.waits_for) == ("running", "")


def test_wait_for_room_is_announced_once(superuser):
    export = request(superuser)
    said = []
    for _ in range(3):
        room.wait_for_space(Export.objects.get(pk=export.pk))
        said.append(snapshot(Export.objects.get(pk=export.pk))["version"])

    assert said[0] > export.version
    assert said == said[:1] * 3


def test_page_and_card_say_that_an_export_waits_for_room(superuser, client):
    export = force_status(request(superuser), Status.QUEUED, waits_for="space")
    client.force_login(superuser)

    for name in ("exports:detail", "exports:card"):
        page = client.get(reverse(name, args=[export.pk])).content.decode()
        assert "Waiting for disk space." in page
        assert "Waiting for a worker." not in page
    answer = client.get(f"/api/v1/exports/{export.pk}").json()
    assert (answer["status"], answer["waits_for"]) == ("queued", "space")


def test_export_that_waits_for_room_is_not_waited_for(superuser):
    from exports.lifecycle import fairness

    force_status(request(superuser), Status.QUEUED, waits_for="space")

    assert not fairness.has_queued_exports()
    request(superuser)
    assert fairness.has_queued_exports()


@pytest.mark.proves("free-space-is-kept")
def test_export_needs_room_to_assemble_its_parts(superuser, settings):
    """Else it would be given back in the middle of that, and claimed again, for ever."""
    free = room.state()["storage_free"]
    settings.EXPORTS_MIN_FREE_BYTES = free // 2
    export = with_part(request(superuser), free)

    with pytest.raises(WaitsForSpace):
        attempts.claim(export.pk, worker="w")
    Part.objects.update(bytes=1)

    assert attempts.claim(export.pk, worker="w").status == Status.RUNNING


def test_claimed_export_fails_if_its_owner_is_over_the_quota(superuser, settings):
    make_flights(range(1, 36))
    export = request(superuser)
    finished(superuser, 5_000)
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 4_999

    export = run(attempts.claim(export.pk, worker="w"))

    assert export.status == "failed"
    assert "use 5,000 bytes; the limit is 4,999" in export.error
    assert export.rows_total is None  # Nothing was counted.
