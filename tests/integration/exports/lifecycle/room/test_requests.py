"""How much may be stored: what counts, and which requests are refused."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from exports.exceptions import OutOfSpace, OverQuota, WaitsForSpace
from exports.files import disk
from exports.lifecycle import attempts, room
from exports.models import Export, Part, PartStatus
from exports.status import Status
from tests.support.exporting import (
    content,
    force_status,
    left_in,
    make_flights,
    request,
    run,
    start,
)
from tests.support.room import MORE_THAN_ANY_DISK, SITE, TOO_LITTLE, finished, with_part
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)


def post(client, **body):
    body = {"exporter": "flights", "label": "Another", **body}
    return client.post("/api/v1/exports", json.dumps(body), content_type="application/json")


# -- What counts ---------------------------------------------------------------------------------


@pytest.mark.proves("quotas-hold")
def test_quota_counts_files_and_parts_of_unfinished_exports(superuser):
    finished(superuser, 1)
    finished(superuser, 10_000_000, file="")  # It has expired, and was deleted.
    with_part(force_status(request(superuser), Status.PAUSED), 20)
    with_part(force_status(request(superuser), Status.FAILED), 300)
    with_part(force_status(request(superuser), Status.CANCELLED), 4_000)
    with_part(force_status(request(superuser), Status.RUNNING), 50_000, PartStatus.CLAIMED, file="")
    with_part(force_status(request(superuser), Status.SUCCEEDED), 600_000)  # They were joined.
    with_part(force_status(request(superuser), Status.RUNNING), 5)
    with_part(force_status(request(superuser), Status.QUEUED), 70_000, PartStatus.CLAIMED, file="")
    other = User.objects.create_superuser("other")
    finished(other, 7_000_000)

    assert room.used(owner=superuser) == 54_326
    assert room.used(owner=other) == 7_000_000
    assert room.used() == 7_054_326


def test_finished_export_counts_its_file_and_a_failed_none(superuser, folder):
    make_flights(range(1, 36))
    done = run(start(superuser))
    Watched.happens = {25: partial(json.loads, "no JSON")}
    failed = run(start(superuser, exporter="watched"))

    assert (done.status, failed.status) == ("succeeded", "failed")
    assert room.used(owner=superuser) == done.bytes == len(content(done))
    assert not Part.objects.exclude(file="").exists()
    assert left_in(folder / "files") == {done.file}


# -- A request -----------------------------------------------------------------------------------


@pytest.mark.proves("quotas-hold")
def test_request_beyond_the_owners_quota_is_refused(superuser, settings):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 2_048
    export = finished(superuser, 2_048)

    with pytest.raises(OverQuota) as refused:
        request(superuser)

    assert str(refused.value).startswith(
        "Your exports use 2.0\xa0KB of 2.0\xa0KB. The next file expires on "
    )
    assert f"{timezone.localtime(export.expires_at):%Y}" in str(refused.value)
    assert 17_900 <= refused.value.retry_after <= 18_000
    assert (refused.value.limit, refused.value.status) == ("stored_bytes", 429)
    assert Export.objects.count() == 1


def test_refusal_names_the_file_that_expires_next(superuser, settings):
    for hours, file in ((9, "a"), (7, "b"), (1, "")):
        finished(superuser, 1, file=file, expires_at=timezone.now() + timedelta(hours=hours))
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 2

    with pytest.raises(OverQuota) as refused:
        request(superuser)
    assert 7 * 3600 - 100 < refused.value.retry_after <= 7 * 3600

    Export.objects.filter(file="b").update(expires_at=timezone.now())  # And not deleted yet.
    with pytest.raises(OverQuota) as refused:
        request(superuser)
    assert refused.value.retry_after == 1


def test_full_work_directory_refuses_no_request(superuser, settings, monkeypatch):
    """A web process writes nothing there, and does not know that of its workers."""
    settings.EXPORTS_MIN_FREE_BYTES = 1
    monkeypatch.setattr(disk, "work_free", lambda: 0)

    export = request(superuser)

    with pytest.raises(WaitsForSpace, match="0 bytes are free in the work directory"):
        attempts.claim(export.pk, worker="w")
    export.refresh_from_db()
    assert export.waits_for == "space"


def test_refusal_suggests_cancelling_paused_exports(superuser, settings):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100
    with_part(force_status(request(superuser), Status.PAUSED), 100)

    with pytest.raises(OverQuota, match="Cancel paused exports") as refused:
        request(superuser)

    assert refused.value.retry_after is None


def test_quota_of_one_owner_does_not_affect_another(superuser, settings):
    settings.EXPORTS_MAX_STORED_BYTES_PER_USER = 100
    finished(superuser, 100)

    assert request(User.objects.create_superuser("other")).status == Status.QUEUED


@pytest.mark.parametrize(("setting", "value"), TOO_LITTLE)
def test_request_without_room_on_the_site_is_refused(superuser, settings, setting, value):
    finished(User.objects.create_superuser("other"), 100)
    setattr(settings, setting, value)

    with pytest.raises(OutOfSpace, match="This site has no room for new files") as refused:
        request(superuser)

    assert refused.value.status == 507


@pytest.mark.proves("quotas-hold")
@pytest.mark.parametrize(
    ("setting", "status", "limit"),
    [("EXPORTS_MAX_STORED_BYTES_PER_USER", 429, "stored_bytes"), (SITE, 507, "space")],
)
def test_every_interface_refuses_a_request_without_room(client, settings, setting, status, limit):
    superuser = User.objects.create_superuser("person")
    finished(superuser, 1_000)
    setattr(settings, setting, 500)
    client.force_login(superuser)
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


def test_terminal_refuses_a_request_without_room(superuser, settings):
    settings.EXPORTS_MIN_FREE_BYTES = MORE_THAN_ANY_DISK

    with pytest.raises(CommandError, match="This site has no room for new files") as refused:
        call_command("export", "flights", verbosity=0)

    assert refused.value.returncode == 2
