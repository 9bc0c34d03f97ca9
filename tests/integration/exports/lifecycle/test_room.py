"""How much may be stored, by one owner and by all, and how much disk stays free."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from exports import health, lifecycle
from exports.exceptions import (
    IllegalMove,
    NoRoom,
    OutOfSpace,
    OverLimit,
    OverQuota,
    TooLarge,
    Waits,
)
from exports.files import disk
from exports.lifecycle import attempts, queue, rescue, room
from exports.models import Export, Part, PartStatus
from exports.serialize import snapshot
from exports.status import FINAL, Status
from exports.worker import runner
from exports.worker.progress import Ticker
from tests.support import exporting
from tests.support.at_once import at_once
from tests.support.exporting import (
    content,
    file_with,
    go_on,
    left_in,
    log,
    make_flights,
    put,
    registered,
    request,
    retained,
    run,
    start,
)
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)

MORE_THAN_ANY_DISK = 2**60
SITE, FLOOR = "EXPORTS_MAX_STORED_BYTES", "EXPORTS_MIN_FREE_BYTES"
TOO_LITTLE = [(SITE, 100), (FLOOR, MORE_THAN_ANY_DISK)]


@pytest.fixture
def told(monkeypatch):
    """The exports that the broker is told of. It knows of no message."""
    told: list = []

    def enqueue(export_id):
        told.append(export_id)
        Export.objects.filter(pk=export_id).update(enqueued_at=timezone.now())
        return True

    monkeypatch.setattr(queue, "enqueue", enqueue)
    monkeypatch.setattr(queue, "waiting", lambda *_: 0)
    return told


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, told):
    settings.EXPORTS_PARALLEL = 0
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4
    exporting.use_folders(settings, tmp_path)
    with registered(Watched):
        yield tmp_path


@pytest.fixture
def every_page(monkeypatch):
    """A look at the room with every page, however fast they come."""
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))
    monkeypatch.setattr(runner, "QUOTA_SECONDS", 0)


def finished(owner, size, **fields):
    """An export whose file takes so many bytes."""
    expires = timezone.now() + timedelta(hours=5)
    known = {"file": "a", "bytes": size, "expires_at": expires, **fields}
    return put(request(owner), Status.SUCCEEDED, **known)


def with_part(export, size, status=PartStatus.DONE, file="a"):
    Part.objects.create(
        export=export, number=1, upto_key="1", rows=1, bytes=size, status=status, file=file
    )
    return export


def post(client, **body):
    body = {"exporter": "flights", "label": "Another", **body}
    return client.post("/api/v1/exports", json.dumps(body), content_type="application/json")


# -- What counts -------------------------------------------------------------------------


def test_files_and_parts_of_all_that_is_not_finished_count(person):
    finished(person, 1)
    finished(person, 10_000_000, file="")  # It has expired, and was deleted.
    with_part(put(request(person), Status.PAUSED), 20)
    with_part(put(request(person), Status.FAILED), 300)
    with_part(put(request(person), Status.CANCELLED), 4_000)
    with_part(put(request(person), Status.RUNNING), 50_000, PartStatus.CLAIMED, file="")
    with_part(put(request(person), Status.SUCCEEDED), 600_000)  # They were joined.
    with_part(put(request(person), Status.RUNNING), 5)
    with_part(put(request(person), Status.QUEUED), 70_000, PartStatus.CLAIMED, file="")
    other = User.objects.create_superuser("other")
    finished(other, 7_000_000)

    assert room.used_by(person.pk) == 54_326
    assert room.used_by(other.pk) == 7_000_000
    assert room.used() == 7_054_326


def test_finished_export_takes_as_much_as_its_file_and_failed_one_nothing(person, folder):
    make_flights(range(1, 36))
    done = run(start(person))
    Watched.happens = {25: partial(json.loads, "no JSON")}
    failed = run(start(person, exporter="watched"))

    assert (done.status, failed.status) == ("succeeded", "failed")
    assert room.used_by(person.pk) == done.bytes == len(content(done))
    assert not Part.objects.exclude(file="").exists()
    assert left_in(folder / "files") == {done.file}


# -- A request ---------------------------------------------------------------------------


def test_request_beyond_the_owners_quota_is_refused_with_the_way_out(person, settings):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 2_048
    export = finished(person, 2_048)

    with pytest.raises(OverQuota) as refused:
        request(person)

    assert str(refused.value).startswith(
        "Your exports use 2.0\xa0KB of 2.0\xa0KB. The next file expires on "
    )
    assert f"{timezone.localtime(export.expires_at):%Y}" in str(refused.value)
    assert 17_900 <= refused.value.retry_after <= 18_000
    assert (refused.value.limit, refused.value.status) == ("stored_bytes", 429)
    assert Export.objects.count() == 1


def test_owner_is_told_of_the_file_that_expires_next(person, settings):
    for hours, file in ((9, "a"), (7, "b"), (1, "")):
        finished(person, 1, file=file, expires_at=timezone.now() + timedelta(hours=hours))
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 2

    with pytest.raises(OverQuota) as refused:
        request(person)
    assert 7 * 3600 - 100 < refused.value.retry_after <= 7 * 3600

    Export.objects.filter(file="b").update(expires_at=timezone.now())  # And not deleted yet.
    with pytest.raises(OverQuota) as refused:
        request(person)
    assert refused.value.retry_after == 1


def test_full_work_directory_refuses_no_request(person, settings, monkeypatch):
    """A web process writes nothing there, and does not know that of its workers."""
    settings.EXPORTS_MIN_FREE_BYTES = 1
    monkeypatch.setattr(disk, "work_free", lambda: 0)

    export = request(person)

    with pytest.raises(Waits, match="0 bytes are free in the work directory"):
        attempts.claim(export.pk, worker="w")
    export.refresh_from_db()
    assert export.waits_for == "space"


def test_owner_without_files_is_told_what_to_cancel(person, settings):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100
    with_part(put(request(person), Status.PAUSED), 100)

    with pytest.raises(OverQuota, match="Cancel paused exports") as refused:
        request(person)

    assert refused.value.retry_after is None


def test_quota_of_one_owner_is_not_anothers(person, settings):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100
    finished(person, 100)

    assert request(User.objects.create_superuser("other")).status == Status.QUEUED


@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
def test_request_without_room_for_anybody_is_refused(person, settings, setting, value):
    finished(User.objects.create_superuser("other"), 100)
    setattr(settings, setting, value)

    with pytest.raises(OutOfSpace, match="This site has no room for new files") as refused:
        request(person)

    assert refused.value.status == 507


@pytest.mark.parametrize(
    ("setting", "status", "limit"),
    [("EXPORTS_MAX_STORED_BYTES_PER_USER", 429, "stored_bytes"), (SITE, 507, "space")],
)
def test_every_interface_refuses_what_there_is_no_room_for(
    client, settings, setting, status, limit
):
    person = User.objects.create_superuser("person")
    finished(person, 1_000)
    setattr(settings, setting, 500)
    client.force_login(person)
    form = {"exporter": "flights", "format": "csv"}

    answers = {
        "api": post(client),
        "dashboard": client.post(reverse("exports:create"), form),
        "choose": client.post(reverse("exports:choose", args=["flights"]), {"format": "csv"}),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, status
    )
    problem = answers["api"].json()
    assert (problem["status"], problem["limit"]) == (status, limit)
    assert answers["api"]["Content-Type"] == "application/problem+json"
    assert ("Retry-After" in answers["api"]) == (status == 429)
    words = "Your exports use" if status == 429 else "This site has no room for new files"
    assert words in answers["dashboard"].content.decode()
    assert words in answers["choose"].content.decode()
    assert Export.objects.count() == 1


def test_terminal_refuses_what_there_is_no_room_for(person, settings):
    settings.EXPORTS_MIN_FREE_BYTES = MORE_THAN_ANY_DISK

    with pytest.raises(CommandError, match="This site has no room for new files") as refused:
        call_command("export", "flights", verbosity=0)

    assert refused.value.returncode == 2


# -- A claim -----------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
def test_queued_export_waits_for_room_and_goes_on_by_itself(settings, told, setting, value):
    person = User.objects.create_superuser("person")
    make_flights(range(1, 36))
    export = request(person)
    other = finished(User.objects.create_superuser("other"), 100)
    setattr(settings, setting, value)
    told.clear()

    with pytest.raises(Waits):
        attempts.claim(export.pk, worker="w")
    export.refresh_from_db()
    rescue.rescue()

    assert (export.status, export.attempt) == ("queued", 0)
    assert told == []  # Nobody could take it.
    assert snapshot(export)["waits_for"] == "space"
    for stream in export.streams:
        assert retained(stream, export.key)["waits_for"] == "space"

    Export.objects.filter(pk=other.pk).update(file="")
    settings.EXPORTS_MIN_FREE_BYTES = 0
    rescue.rescue()

    assert told == [export.pk]
    assert retained(export.stream, export.key)["waits_for"] == ""
    settings.EXPORTS_MAX_STORED_BYTES = 0  # Its own file is larger.
    assert content(go_on(export)) == file_with(range(1, 36))


def test_exports_that_have_waited_longest_go_on_first(person, monkeypatch, told):
    monkeypatch.setattr(room, "RELEASED", 2)
    now = timezone.now()
    waiting = [
        put(request(person), "queued", waits_for="space", queued_at=now - timedelta(hours=hours))
        for hours in (1, 3, 2)
    ]

    assert room.end_waits() == 2

    still = Export.objects.filter(waits_for="space")
    assert list(still.values_list("pk", flat=True)) == [waiting[0].pk]


def test_look_for_room_costs_one_query_when_nobody_waits(settings):
    settings.EXPORTS_MAX_STORED_BYTES = 100

    with CaptureQueriesContext(connection) as asked:
        assert room.end_waits() == 0

    assert len(asked) == 1


def test_export_that_has_been_claimed_meanwhile_waits_for_nothing(person):
    export = start(person)
    Export.objects.filter(pk=export.pk).update(waits_for="")

    room.let_wait(export)

    export.refresh_from_db()
    assert (export.status, export.waits_for) == ("running", "")


def test_wait_for_room_is_said_once(person):
    export = request(person)
    said = []
    for _ in range(3):
        room.let_wait(Export.objects.get(pk=export.pk))
        said.append(snapshot(Export.objects.get(pk=export.pk))["version"])

    assert said[0] > export.version
    assert said == said[:1] * 3


def test_page_and_card_say_that_an_export_waits_for_room(person, client):
    export = put(request(person), Status.QUEUED, waits_for="space")
    client.force_login(person)

    for name in ("exports:detail", "exports:card"):
        page = client.get(reverse(name, args=[export.pk])).content.decode()
        assert "Waiting for disk space." in page
        assert "Waiting for a worker." not in page
    answer = client.get(f"/api/v1/exports/{export.pk}").json()
    assert (answer["status"], answer["waits_for"]) == ("queued", "space")


def test_queued_export_that_waits_for_room_takes_no_turn(person):
    from exports.lifecycle import fairness

    put(request(person), Status.QUEUED, waits_for="space")

    assert not fairness.somebody_waits()
    request(person)
    assert fairness.somebody_waits()


def test_export_needs_room_for_what_its_parts_are_joined_to(person, settings):
    """Else it would be given back in the middle of that, and claimed again, for ever."""
    free = room.state()["storage_free"]
    settings.EXPORTS_MIN_FREE_BYTES = free // 2
    export = with_part(request(person), free)

    with pytest.raises(Waits):
        attempts.claim(export.pk, worker="w")
    Part.objects.update(bytes=1)

    assert attempts.claim(export.pk, worker="w").status == Status.RUNNING


def test_export_whose_owner_is_over_the_quota_fails_when_it_is_claimed(person, settings):
    make_flights(range(1, 36))
    export = request(person)
    finished(person, 5_000)
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 4_999

    export = run(attempts.claim(export.pk, worker="w"))

    assert export.status == "failed"
    assert "take 5,000 bytes; 4,999 are allowed" in export.error
    assert export.rows_total is None  # Nothing was counted.


# -- While it is written -----------------------------------------------------------------


@pytest.mark.usefixtures("every_page")
def test_running_export_that_passes_its_owners_quota_fails_and_takes_nothing(
    person, settings, folder
):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 500
    make_flights(range(1, 36))

    export = run(start(person))

    assert (export.status, export.file) == ("failed", "")
    assert "; 500 are allowed" in export.error
    assert room.used_by(person.pk) == 0
    assert left_in(folder) == set()


@pytest.mark.usefixtures("every_page")
@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
@pytest.mark.parametrize("row", [15, 35])
def test_running_export_without_room_keeps_its_parts_and_goes_on(
    settings, told, setting, value, row
):
    person = User.objects.create_superuser("person")
    make_flights(range(1, 41))
    export = start(person, exporter="watched")
    Watched.happens = {row: lambda: setattr(settings, setting, value)}
    told.clear()

    run(export)

    assert (export.status, export.waits_for, told) == ("queued", "space", [])
    kept = export.parts.filter(status=PartStatus.DONE).count()
    assert kept == row // 10
    assert any("goes on by itself when there is room" in line for line in log(export))

    setattr(settings, setting, 0)
    rescue.rescue()

    assert told == [export.pk]
    assert content(go_on(export)) == file_with(range(1, 41))
    assert export.handovers == 1


def test_room_is_looked_at_after_each_part_however_fast_they_are(settings, monkeypatch):
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=3_600))
    make_flights(range(1, 41))
    export = start(User.objects.create_superuser("person"), exporter="watched")
    Watched.happens = {15: lambda: setattr(settings, FLOOR, MORE_THAN_ANY_DISK)}

    run(export)

    assert (export.status, export.waits_for) == ("queued", "space")
    assert export.parts.filter(status=PartStatus.DONE).count() == 2


@pytest.mark.parametrize(("stored", "raises"), [(100, None), (101, NoRoom)])
def test_site_may_store_all_that_it_may(person, settings, stored, raises):
    export = start(person)
    finished(person, stored)
    settings.EXPORTS_MAX_STORED_BYTES = 100

    with pytest.raises(raises) if raises else nullcontext():
        room.check_quotas(export)


@pytest.mark.parametrize(("stored", "raises"), [(100, None), (101, NoRoom)])
def test_owner_may_store_all_that_they_may(person, settings, stored, raises):
    export = start(person)
    put(request(person), Status.RUNNING)
    finished(person, stored)
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100

    with pytest.raises(raises) if raises else nullcontext():
        room.check_quotas(export)


def test_owner_whose_newer_export_has_just_freed_its_parts_is_within_the_quota(
    person, settings, monkeypatch
):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100
    export, stored = start(person), iter([101, 100])
    monkeypatch.setattr(room, "used_by", lambda _: next(stored))

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
def test_newest_of_an_owners_exports_fails_for_the_quota(person, settings, other, raises):
    """An older one waits until a newer one has failed and deleted its parts."""
    export = start(person)
    finished(person, 101)
    with_part(put(request(person), **other), 1)
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100

    with pytest.raises(raises):
        room.check_quotas(export)


@pytest.mark.usefixtures("every_page")
def test_exports_that_run_at_once_pass_the_quota_by_no_more_than_a_part_each(person, settings):
    """All are accepted, as nothing is stored yet. As many have their files as there is room for.

    Of those that run, the newest fails; one that is quick may be over before that.
    """
    make_flights(range(1, 101))
    whole = len(file_with(range(1, 101)))
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = most = 2 * whole + whole // 2
    exports = [request(person).pk for _ in range(4)]
    waiting, stored = list(exports), []

    def work():
        run(attempts.claim(waiting.pop(), worker="w"))
        stored.append(room.used_by(person.pk))

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


# -- Health ------------------------------------------------------------------------------


def test_health_says_how_much_is_stored_and_free(person, client, settings):
    finished(person, 5_000_000_000)
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
def test_health_is_not_well_without_room(client, settings, setting, value):
    finished(User.objects.create_superuser("person"), 100)
    setattr(settings, setting, value)

    with pytest.raises(health.NotWell):
        health.space()

    assert client.get("/health/ready").json()["space"]["lacking"]
    setattr(settings, setting, 0)  # No limit.
    assert room.state()["lacking"] == ""


# -- What else one user could fill a disk with -------------------------------------------


def test_requests_of_a_day_are_limited(person, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_DAY = 2
    for _ in range(2):
        put(request(person), Status.CANCELLED)

    with pytest.raises(OverLimit, match="You can start 2 exports a day") as refused:
        request(person)

    assert refused.value.limit == "requests_per_day"
    assert 86_000 < refused.value.retry_after <= 86_400
    Export.objects.update(created_at=timezone.now() - timedelta(days=1, seconds=1))
    assert request(person).status == Status.QUEUED


def test_export_cannot_be_resumed_again_and_again(person):
    export = put(request(person), Status.PAUSED, resumes=99)
    lifecycle.resume(export)
    lifecycle.pause(export)

    with pytest.raises(IllegalMove, match="resumed too often"):
        lifecycle.resume(export)


def test_log_of_an_export_is_limited_in_bytes(person, settings):
    settings.EXPORTS_LOG_BYTES = 20_000
    make_flights(range(1, 36))
    export = start(person)
    for _ in range(3):
        lines = [{"level": "INFO", "message": "x" * 4_000, "logger": "a"}] * 3
        from exports.lifecycle import parts

        parts.tick(export, lines=lines)

    said = log(export)
    assert sum(map(len, said)) < 20_000
    assert [line for line in said if "full" in line] == [
        "The log is full at 20,000 bytes. What follows is not kept."
    ]
    attempts.fail(export, "It ends.", lines=[{"level": "ERROR", "message": "end", "logger": "a"}])
    assert log(export)[-1] == "end"
