"""The audit trail of exports: each from a click, a call or a command to its entry."""

from __future__ import annotations

import getpass
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import transaction
from django.test import AsyncClient
from django.utils import timezone

from exports import lifecycle
from exports.lifecycle import attempts, prune, queue
from exports.models import Export
from exports.status import Status
from exports.worker import runner
from notifications.api import tokens
from notifications.models import AuditEntry
from notifications.streams import publish
from tests.support.exporting import force_status, make_flights, use_folders
from tests.support.starting import start_export
from tests.support.trail import (
    ADDRESS,
    AGENT,
    BY_ADMIN,
    BY_API,
    BY_COMMAND,
    BY_PAGE,
    BY_SYSTEM,
    BY_TOKEN,
    client_of,
    entries,
    only,
    people,
    source,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.proves("audit-trail-is-complete"),
]

API = "/api/v1/exports"
ADMIN = "/admin/exports/export/"


@pytest.fixture(autouse=True)
def _surroundings(settings, tmp_path, monkeypatch):
    use_folders(settings, tmp_path)
    monkeypatch.setattr(queue, "enqueue", lambda _: True)


@pytest.fixture
def ada():
    return User.objects.create_superuser("ada", password="correct horse")


@pytest.fixture
def operator():
    """The browser of a superuser."""
    return client_of(User.objects.create_superuser("operator"))


@pytest.fixture
def export(ada):
    return start_export(user=ada, exporter="airports", label="Airports")


@pytest.fixture
def finished(ada):
    make_flights(range(1, 4))
    export = start_export(user=ada, exporter="flights", label="Flights")
    runner.run(attempts.claim(export.pk, worker="worker-1@tests"))
    export.refresh_from_db()
    assert export.status == Status.SUCCEEDED
    return export


def subject(entry):
    return entry.object_kind, entry.object_key, entry.object_label


def of(export):
    return "export", str(export.pk), export.label


# -- Starting ------------------------------------------------------------------------------------


def test_export_that_is_started_on_a_page_is_recorded(ada):
    client_of(ada).post("/exports/", {"exporter": "airports", "format": "csv"})

    entry = only("export_started")
    assert (people(entry), source(entry)) == (("ada", ""), BY_PAGE)
    assert subject(entry) == of(Export.objects.get())
    assert entry.details == {"exporter": "airports", "format": "csv"}


def test_export_that_is_started_in_the_admin_is_recorded(ada):
    client_of(ada).post("/admin/demo/airport/export/", {"format": "jsonl", "start": ""})

    entry = only("export_started")
    assert (people(entry), source(entry)) == (("ada", ""), BY_ADMIN)
    assert entry.details == {"exporter": "airports", "format": "jsonl"}


def test_export_that_is_started_over_the_api_is_recorded(ada):
    client_of(ada).post(API, {"exporter": "airports"}, "application/json")

    assert (people(only("export_started")), source(only("export_started"))) == (("ada", ""), BY_API)


def test_export_that_is_started_with_a_token_is_recorded(ada):
    bearer = {"authorization": f"Bearer {tokens.create(ada)}"}

    client_of().post(API, {"exporter": "airports"}, "application/json", headers=bearer)

    assert (people(only("export_started")), source(only("export_started"))) == (
        ("ada", ""),
        BY_TOKEN,
    )


def test_export_that_a_command_starts_is_recorded(ada, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "export", "airports"])

    call_command("export", "airports", user="ada")

    entry = only("export_started")
    assert (people(entry), source(entry)) == (("", "ada"), BY_COMMAND)
    assert entry.details["command"] == "export"
    assert entry.details["account"] == getpass.getuser()


async def test_async_request_is_recorded_with_user_and_address(ada):
    client = AsyncClient()
    await client.aforce_login(ada)
    headers = {"user-agent": AGENT, "x-forwarded-for": ADDRESS}

    await client.post("/exports/", {"exporter": "airports", "format": "csv"}, headers=headers)

    entry = await AuditEntry.objects.aget(action="export_started")
    assert (people(entry), source(entry)) == (("ada", ""), BY_PAGE)


def test_duplicate_request_adds_no_entry(ada):
    client = client_of(ada)

    for _ in range(2):
        client.post("/exports/", {"exporter": "airports", "format": "csv"})

    assert Export.objects.count() == len(entries("export_started")) == 1


def test_export_that_is_refused_is_not_recorded(ada, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    client = client_of(ada)

    for format_ in ("csv", "jsonl"):
        client.post("/exports/", {"exporter": "airports", "format": format_})

    assert [each.details["format"] for each in entries("export_started")] == ["csv"]


def test_export_of_the_audit_trail_is_recorded(ada):
    client_of(ada).post("/exports/", {"exporter": "audit", "format": "csv"})

    assert only("export_started").details["exporter"] == "audit"


@pytest.mark.parametrize(
    ("status", "button"), [(Status.FAILED, "retry"), (Status.SUCCEEDED, "again")]
)
def test_repetition_names_the_export_that_it_repeats(ada, operator, export, status, button):
    force_status(export, status)

    operator.post(f"{ADMIN}{export.pk}/{button}/")

    entry = only("export_repeated")
    assert (people(entry), source(entry)) == (("operator", "ada"), BY_ADMIN)
    assert subject(entry) == of(Export.objects.exclude(pk=export.pk).get())
    assert entry.details["origin"] == str(export.pk)


# -- Sharing -------------------------------------------------------------------------------------


def test_export_that_is_shared_is_recorded_with_its_team(ada):
    team = Group.objects.create(name="Analysts")
    ada.groups.add(team)

    client_of(ada).post("/exports/", {"exporter": "airports", "format": "csv", "team": team.pk})

    entry = only("export_shared")
    assert (people(entry), source(entry)) == (("ada", ""), BY_PAGE)
    assert subject(entry) == of(Export.objects.get())
    assert entry.details["team"] == "Analysts"


def test_deleted_team_is_recorded_as_unsharing(ada, operator):
    team = Group.objects.create(name="Analysts")
    ada.groups.add(team)
    start_export(user=ada, exporter="airports", team=team.pk)

    operator.post(f"/admin/auth/group/{team.pk}/delete/", {"post": "yes"})

    entry = only("export_unshared")
    assert (people(entry), source(entry), entry.object_label) == (
        ("operator", ""),
        BY_ADMIN,
        "Analysts",
    )
    assert entry.details == {"exports": 1}


# -- Stopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("button", "status", "action"),
    [
        ("cancel", Status.QUEUED, "export_cancelled"),
        ("cancel", Status.RUNNING, "export_cancelled"),
        ("pause", Status.RUNNING, "export_paused"),
        ("pause", Status.QUEUED, "export_paused"),
        ("resume", Status.PAUSED, "export_resumed"),
    ],
)
def test_button_press_is_recorded_once_with_its_user(operator, export, button, status, action):
    force_status(export, status)

    for _ in range(2):
        operator.post(f"{ADMIN}{export.pk}/{button}/")

    entry = only(action)
    assert (people(entry), source(entry)) == (("operator", "ada"), BY_ADMIN)
    assert subject(entry) == of(export)


def test_cancellation_by_api_and_by_page_is_recorded(ada, export):
    other = start_export(user=ada, exporter="planes")
    client = client_of(ada)

    client.post(f"{API}/{export.pk}/cancel")
    client.post(f"/exports/{other.pk}/cancel")

    first, second = entries("export_cancelled")
    assert (people(first), source(first), first.object_key) == (("ada", ""), BY_API, str(export.pk))
    assert (people(second), source(second), second.object_key) == (
        ("ada", ""),
        BY_PAGE,
        str(other.pk),
    )


def test_export_stopped_by_a_lost_right_is_recorded(ada, export):
    claimed = attempts.claim(export.pk, worker="worker-1@tests")
    User.objects.update(is_superuser=False)

    runner.run(claimed)

    entry = only("export_stopped")
    export.refresh_from_db()
    assert export.status == Status.FAILED
    assert (people(entry), source(entry), subject(entry)) == (("", "ada"), BY_SYSTEM, of(export))
    assert entry.details["reason"].startswith('You do not have permission to export "Airports".')


def test_otherwise_failed_export_is_not_recorded_as_stopped(export, monkeypatch):
    claimed = attempts.claim(export.pk, worker="worker-1@tests")
    monkeypatch.setattr(runner.room, "check_quotas", lambda _: 1 / 0)

    runner.run(claimed)

    export.refresh_from_db()
    assert export.status == Status.FAILED
    assert entries("export_stopped") == []


def test_cancelled_export_is_not_recorded_as_stopped(ada, export):
    claimed = attempts.claim(export.pk, worker="worker-1@tests")
    lifecycle.cancel(export)
    User.objects.update(is_superuser=False)

    runner.run(claimed)

    export.refresh_from_db()
    assert export.status == Status.CANCELLED
    assert entries("export_stopped") == []


def test_failed_audit_entry_undoes_its_action(export, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no room")

    monkeypatch.setattr("notifications.models.AuditEntry.save", fail)

    with pytest.raises(RuntimeError, match="no room"):
        lifecycle.cancel(export)

    assert Export.objects.get().status == Status.QUEUED


def test_action_that_is_rolled_back_has_no_entry(export):
    def fail():
        with transaction.atomic():
            lifecycle.cancel(export)
            raise RuntimeError("too late")

    with pytest.raises(RuntimeError, match="too late"):
        fail()

    assert Export.objects.get().status == Status.QUEUED
    assert entries("export_cancelled") == []


# -- Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "origin"), [("/exports/{}/file", BY_PAGE), ("/api/v1/exports/{}/file", BY_API)]
)
def test_download_is_recorded(operator, finished, path, origin):
    operator.get(path.format(finished.pk)).close()

    entry = only("export_downloaded")
    assert (people(entry), source(entry)) == (("operator", "ada"), origin)
    assert subject(entry) == of(finished)
    assert entry.details == {
        "exporter": "flights",
        "format": "csv",
        "rows": 3,
        "bytes": finished.bytes,
        "range": "",
    }


def test_whole_download_after_ranges_is_recorded_separately(operator, finished):
    url = f"/exports/{finished.pk}/file"
    for headers in ({"range": "bytes=0-0"}, {"range": "bytes=1-1"}, {}, {}):
        operator.get(url, headers=headers).close()

    ranges = [each.details["range"] for each in entries("export_downloaded")]
    assert ranges == ["bytes=0-0", ""]


@pytest.mark.parametrize("headers", [{"if-none-match": '"{}"'}, {"range": "bytes=9999999-"}])
def test_response_without_a_file_is_not_recorded_as_a_download(operator, finished, headers):
    said = {name: value.format(finished.sha256) for name, value in headers.items()}

    operator.get(f"/exports/{finished.pk}/file", headers=said)
    operator.head(f"/exports/{finished.pk}/file")

    assert entries("export_downloaded") == []


def test_file_that_expires_is_recorded_once(finished):
    force_status(finished, Status.SUCCEEDED, expires_at=timezone.now() - timedelta(days=1))

    for _ in range(2):
        prune.prune(90)

    entry = only("export_expired")
    assert (people(entry), source(entry), subject(entry)) == (("", "ada"), BY_SYSTEM, of(finished))


def test_deletion_of_an_old_export_is_recorded(finished, monkeypatch):
    old = timezone.now() - timedelta(days=100)
    force_status(finished, Status.SUCCEEDED, finished_at=old, expires_at=old)
    monkeypatch.setattr(sys, "argv", ["manage.py", "prune_exports"])

    call_command("prune_exports")

    entry = only("export_deleted")
    assert not Export.objects.exists()
    assert (people(entry), source(entry), subject(entry)) == (("", "ada"), BY_COMMAND, of(finished))


def test_export_deleted_with_its_owner_is_recorded(ada, operator, export):
    operator.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})

    entry = only("export_deleted")
    assert not Export.objects.exists()
    assert (people(entry), source(entry), subject(entry)) == (
        ("operator", "ada"),
        BY_ADMIN,
        of(export),
    )


# -- Replays -------------------------------------------------------------------------------------


@pytest.fixture
def stream():
    with transaction.atomic():
        publish.append("user-7", "counted", {})


def test_replay_is_recorded_with_its_options(stream, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "replay_events"])

    call_command("replay_events", stream=["user-7"], since="2h")

    entry = only("streams_replayed")
    assert (people(entry), source(entry), subject(entry)) == (
        ("", ""),
        BY_COMMAND,
        ("stream", "user-7", "user-7"),
    )
    assert entry.details == {
        "streams": ["user-7"],
        "since": "2h",
        "command": "replay_events",
        "account": getpass.getuser(),
    }


def test_dry_run_is_not_recorded(stream):
    call_command("replay_events", dry_run=True)

    assert entries("streams_replayed") == []
