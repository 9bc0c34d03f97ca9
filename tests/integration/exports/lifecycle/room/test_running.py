"""How much may be stored while exports run, what health says of it, and other limits."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from exports import health, lifecycle
from exports.exceptions import IllegalMove, NoRoom, OverLimit, TooLarge
from exports.lifecycle import attempts, rescue, room
from exports.models import Export, PartStatus
from exports.status import FINAL, Status
from exports.worker import runner
from exports.worker.progress import Ticker
from tests.support.at_once import at_once
from tests.support.exporting import (
    content,
    file_with,
    force_status,
    left_in,
    log,
    make_flights,
    request,
    resume_with,
    run,
    start,
)
from tests.support.room import FLOOR, MORE_THAN_ANY_DISK, TOO_LITTLE, finished, with_part
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def every_page(monkeypatch):
    """A look at the room with every page, however fast they come."""
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))
    monkeypatch.setattr(runner, "QUOTA_SECONDS", 0)


# -- While it is written -------------------------------------------------------------------------


@pytest.mark.proves("quotas-hold")
@pytest.mark.usefixtures("every_page")
def test_running_export_beyond_the_quota_fails_and_frees_space(superuser, settings, folder):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 500
    make_flights(range(1, 36))

    export = run(start(superuser))

    assert (export.status, export.file) == ("failed", "")
    assert "; the limit is 500" in export.error
    assert room.used(owner=superuser) == 0
    assert left_in(folder) == set()


@pytest.mark.proves("free-space-is-kept")
@pytest.mark.usefixtures("every_page")
@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
@pytest.mark.parametrize("row", [15, 35])
def test_running_export_without_room_keeps_its_parts_and_waits(
    settings, enqueued, setting, value, row
):
    superuser = User.objects.create_superuser("person")
    make_flights(range(1, 41))
    export = start(superuser, exporter="watched")
    Watched.happens = {row: lambda: setattr(settings, setting, value)}
    enqueued.clear()

    run(export)

    assert (export.status, export.waits_for, enqueued) == ("queued", "space", [])
    kept = export.parts.filter(status=PartStatus.DONE).count()
    assert kept == row // 10
    assert any("continues automatically when there is space" in line for line in log(export))

    setattr(settings, setting, 0)
    rescue.rescue()

    assert enqueued == [export.pk]
    assert content(resume_with(export)) == file_with(range(1, 41))
    assert export.handovers == 1


def test_room_is_checked_after_each_part(settings, monkeypatch):
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=3_600))
    make_flights(range(1, 41))
    export = start(User.objects.create_superuser("person"), exporter="watched")
    Watched.happens = {15: lambda: setattr(settings, FLOOR, MORE_THAN_ANY_DISK)}

    run(export)

    assert (export.status, export.waits_for) == ("queued", "space")
    assert export.parts.filter(status=PartStatus.DONE).count() == 2


@pytest.mark.parametrize(("stored", "raises"), [(100, None), (101, NoRoom)])
def test_site_quota_may_be_used_up_exactly(superuser, settings, stored, raises):
    export = start(superuser)
    finished(superuser, stored)
    settings.EXPORTS_MAX_STORED_BYTES = 100

    with pytest.raises(raises) if raises else nullcontext():
        room.check_quotas(export)


@pytest.mark.parametrize(("stored", "raises"), [(100, None), (101, NoRoom)])
def test_owner_quota_may_be_used_up_exactly(superuser, settings, stored, raises):
    export = start(superuser)
    force_status(request(superuser), Status.RUNNING)
    finished(superuser, stored)
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100

    with pytest.raises(raises) if raises else nullcontext():
        room.check_quotas(export)


def test_parts_freed_during_the_quota_check_are_not_counted(superuser, settings, monkeypatch):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100
    export, stored = start(superuser), iter([101, 100])
    monkeypatch.setattr(room, "used", lambda **_: next(stored))

    room.check_quotas(export)

    assert list(stored) == []  # Looked at twice.


@pytest.mark.parametrize(
    ("other", "raises"),
    [
        ({"status": Status.RUNNING}, NoRoom),
        ({"status": Status.QUEUED, "bytes": 1}, NoRoom),
        ({"status": Status.QUEUED, "bytes": 0}, TooLarge),
        ({"status": Status.PAUSED, "bytes": 1}, TooLarge),
        ({"status": Status.RUNNING, "created_at": timezone.now() - timedelta(1)}, TooLarge),
        ({"status": Status.FAILED, "finished_at": timezone.now() + timedelta(1)}, NoRoom),
        ({"status": Status.FAILED, "finished_at": timezone.now() - timedelta(1)}, TooLarge),
    ],
    ids=str,
)
def test_newest_export_of_the_owner_fails_for_the_quota(superuser, settings, other, raises):
    """An older one waits until a newer one has failed and deleted its parts."""
    export = start(superuser)
    finished(superuser, 101)
    with_part(force_status(request(superuser), **other), 1)
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100

    with pytest.raises(raises):
        room.check_quotas(export)


@pytest.mark.proves("quotas-hold")
@pytest.mark.usefixtures("every_page")
def test_parallel_exports_exceed_the_quota_by_one_part_each(superuser, settings):
    """All are accepted, as nothing is stored yet. As many have their files as there is room for.

    Of those that run, the newest fails; one that is quick may be over before that.
    """
    make_flights(range(1, 101))
    whole = len(file_with(range(1, 101)))
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = most = 2 * whole + whole // 2
    exports = [request(superuser).pk for _ in range(4)]
    waiting, stored = list(exports), []

    def work():
        run(attempts.claim(waiting.pop(), worker="w"))
        stored.append(room.used(owner=superuser))

    errors = [each for each in at_once(4, work) if isinstance(each, Exception)]
    for _ in range(20):
        if not Export.objects.exclude(status__in=FINAL).exists():
            break
        rescue.rescue()
        queued = Export.objects.filter(status="queued").order_by("-queued_at")
        waiting = list(queued.values_list("pk", flat=True))
        work()

    assert errors == []
    ended = [Export.objects.get(pk=pk).status for pk in exports]
    assert sorted(ended) == ["failed", "failed", "succeeded", "succeeded"]
    assert max(stored) <= most + 4 * (whole // 10)


# -- Health --------------------------------------------------------------------------------------


def test_health_reports_stored_and_free_bytes(superuser, client, settings):
    finished(superuser, 5_000_000_000)
    settings.EXPORTS_MAX_STORED_BYTES = 10_000_000_000
    settings.EXPORTS_MIN_FREE_BYTES = 1_000_000

    said = health.space()
    found = client.get("/health/ready").json()["space"]

    assert said.startswith("stored: 5.0 GB (of 10.0 GB); free in the storage: ")
    assert "; free in the work directory: " in said
    assert (found["stored"], found["stored_allowed"]) == (5_000_000_000, 10_000_000_000)
    assert found["storage_free"] > found["floor"] == 1_000_000
    assert found["lacking"] == ""


@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
def test_missing_room_makes_health_fail(client, settings, setting, value):
    finished(User.objects.create_superuser("person"), 100)
    setattr(settings, setting, value)

    with pytest.raises(health.Unhealthy):
        health.space()

    assert client.get("/health/ready").json()["space"]["lacking"]
    setattr(settings, setting, 0)  # No limit.
    assert room.state()["lacking"] == ""


# -- What else one user could fill a disk with ---------------------------------------------------


def test_requests_of_a_day_are_limited(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_DAY = 2
    for _ in range(2):
        force_status(request(superuser), Status.CANCELLED)

    with pytest.raises(OverLimit, match="You can start 2 exports a day") as refused:
        request(superuser)

    assert refused.value.limit == "requests_per_day"
    assert 86_000 < refused.value.retry_after <= 86_400
    Export.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert request(superuser).status == Status.QUEUED


def test_export_cannot_be_resumed_without_limit(superuser):
    export = force_status(request(superuser), Status.PAUSED, resumes=99)
    lifecycle.resume(export)
    lifecycle.pause(export)

    with pytest.raises(IllegalMove, match="resumed too many times"):
        lifecycle.resume(export)


def test_log_size_is_limited_in_bytes(superuser, settings):
    settings.EXPORTS_LOG_BYTES = 20_000
    make_flights(range(1, 36))
    export = start(superuser)
    for _ in range(3):
        lines = [{"level": "INFO", "message": "x" * 4_000, "logger": "a"}] * 3
        from exports.lifecycle import parts

        parts.tick(export, lines=lines)

    said = log(export)
    assert sum(map(len, said)) < 20_000
    assert [line for line in said if "full" in line] == [
        "The log is full at 20,000 bytes. Later lines are not kept."
    ]
    attempts.fail(export, "It ends.", lines=[{"level": "ERROR", "message": "end", "logger": "a"}])
    assert log(export)[-1] == "end"
