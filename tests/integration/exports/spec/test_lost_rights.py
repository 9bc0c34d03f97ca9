"""Whoever loses a right gets no file: an export stops, and a finished file is not given out."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from exports import lifecycle
from exports.exceptions import NotPermitted
from exports.files import storage
from exports.lifecycle import attempts, rescue
from exports.models import Export
from exports.spec import rights
from exports.status import Status
from exports.worker import heartbeat, runner
from notifications.api import tokens
from tests.support import exporting
from tests.support.exporting import (
    content,
    events,
    expire_lease,
    left_in,
    make_flights,
    registered,
    run,
    start,
)
from tests.support.starting import start_export
from tests.support.waiting import wait_until
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)

LIST = {"model": "demo.flight", "query": "carrier=UA"}
RIGHTS = ("export_flight", "view_flight")


def withdraw(user):
    user.user_permissions.clear()


def deactivate(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def leave_group(user):
    """The group that has the permissions."""
    user.groups.remove(Group.objects.get(name="exporters"))


def leave_team(user):
    """The team with which the export is shared."""
    user.groups.remove(Group.objects.get(name="pilots"))


def lose_staff(user):
    User.objects.filter(pk=user.pk).update(is_staff=False)


def lose_list(user):
    user.user_permissions.remove(Permission.objects.get(codename="view_flight"))


LOSSES = [
    (withdraw, {}, 'You do not have permission to export "Watched".'),
    (deactivate, {}, 'You do not have permission to export "Watched".'),
    (leave_group, {}, 'You do not have permission to export "Watched".'),
    (
        leave_team,
        {"team": "pilots"},
        "This export is shared with the team pilots, but its owner is no longer a member.",
    ),
    (lose_staff, {"changelist": LIST}, "You do not have permission to view flights."),
    (lose_list, {"changelist": LIST}, "You do not have permission to view flights."),
]
each_loss = pytest.mark.parametrize(
    ("lose_right", "asked", "said"), LOSSES, ids=[each[0].__name__ for each in LOSSES]
)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 60)
    settings.EXPORTS_PARALLEL = 0
    settings.EXPORTS_PART_ROWS, settings.EXPORTS_PAGE_ROWS = 10, 4
    exporting.use_folders(settings, tmp_path)
    with registered(Watched):
        yield tmp_path
    Watched.happens = {}


@pytest.fixture
def owner(request):
    """May export flights and see their list: by a group if the test is about leaving it."""
    user = User.objects.create_user("ada", is_staff=True)
    for name in ("pilots", "others"):
        user.groups.add(Group.objects.create(name=name))
    group = Group.objects.create(name="exporters")
    permissions = Permission.objects.filter(codename__in=RIGHTS)
    if "leave_group" in request.node.name:
        group.permissions.set(permissions)
        user.groups.add(group)
    else:
        user.user_permissions.set(permissions)
    return User.objects.get(pk=user.pk)


def request_one(owner, team=None, **asked):
    make_flights(range(1, 36))
    chosen = team and Group.objects.get(name=team).pk
    return start_export(user=owner, exporter="watched", team=chosen, **asked)


def claimed(owner, **asked):
    return attempts.claim(request_one(owner, **asked).pk, worker="w1")


def assert_failed(export, said):
    export.refresh_from_db()
    assert export.status == Status.FAILED
    assert export.error.startswith(said)
    assert export.reason is not None  # It can be said in every language.
    assert events(export.owner_stream, "export.failed")[-1]["error"] == export.error
    assert export.file == ""
    assert left_in(storage.Path(storage.default_storage.location)) == set()


@each_loss
def test_export_of_an_owner_without_the_right_does_not_begin(owner, lose_right, asked, said):
    export = claimed(owner, **asked)
    lose_right(owner)
    read = []
    Watched.happens = {1: lambda: read.append(1)}

    runner.run(Export.objects.get(pk=export.pk))

    assert_failed(export, said)
    assert read == []


@pytest.mark.proves("lost-right-stops-export")
@each_loss
def test_running_export_stops_when_its_owner_loses_the_right(
    owner, monkeypatch, lose_right, asked, said
):
    keepers = []

    class Noted(heartbeat.Heartbeat):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            keepers.append(self)

    monkeypatch.setattr(runner, "Heartbeat", Noted)
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "RIGHTS_SECONDS", 0.1)
    export = claimed(owner, **asked)
    read = []

    def lose_it():
        keepers[0].stop_interrupting()  # On SQLite the worker's connection is this test's own.
        lose_right(owner)
        wait_until(lambda: keepers[0].refusal, what="the keeper has noticed")

    Watched.happens = {15: lose_it, 25: lambda: read.append(25)}

    runner.run(Export.objects.get(pk=export.pk))

    assert_failed(export, said)
    assert read == []


@pytest.mark.proves("lost-right-stops-export")
@each_loss
def test_right_lost_at_the_last_row_gives_no_file(owner, lose_right, asked, said):
    export = claimed(owner, **asked)
    Watched.happens = {35: lambda: lose_right(owner)}

    runner.run(Export.objects.get(pk=export.pk))

    assert_failed(export, said)


@pytest.mark.proves("lost-right-stops-export")
@each_loss
def test_next_attempt_fails_after_the_owner_lost_the_right(owner, lose_right, asked, said):
    export = claimed(owner, **asked)
    expire_lease(export)
    lose_right(owner)

    assert rescue.rescue()["rescued"] == 1
    runner.run(attempts.claim(export.pk, worker="w2"))

    assert_failed(export, said)


@pytest.mark.proves("lost-right-stops-export")
@each_loss
def test_resumed_export_fails_after_the_owner_lost_the_right(owner, lose_right, asked, said):
    export = request_one(owner, **asked)
    lifecycle.pause(export)
    lose_right(owner)
    lifecycle.resume(export)

    runner.run(attempts.claim(export.pk, worker="w2"))

    assert_failed(export, said)


def test_owner_who_keeps_all_rights_gets_the_file(owner, monkeypatch):
    monkeypatch.setattr(heartbeat, "RIGHTS_SECONDS", 0)
    export = claimed(owner, team="pilots", changelist=LIST)

    runner.run(export)

    export.refresh_from_db()
    assert (export.status, export.error) == ("succeeded", "")
    assert content(export).count(b"\n") == 36


def test_right_is_checked_at_most_every_20_seconds(owner):
    assert heartbeat.RIGHTS_SECONDS == 20


def test_running_query_is_interrupted_when_the_right_is_lost(owner, monkeypatch):
    monkeypatch.setattr(heartbeat, "RIGHTS_SECONDS", 0)
    kept, interrupts = heartbeat.Heartbeat(claimed(owner)), []
    kept.interrupt = lambda: interrupts.append(kept.refusal)
    kept._check(renew=False)
    assert interrupts == []

    withdraw(owner)
    kept._check(renew=False)

    (refusal,) = interrupts
    assert isinstance(refusal, NotPermitted)


def test_failing_rule_keeps_the_lease(owner, monkeypatch, caplog):
    export = claimed(owner)

    def broken(*_):
        raise LookupError("no tenant")

    monkeypatch.setattr(Watched, "has_permission", broken)
    kept = heartbeat.Heartbeat(export)
    kept._check_rights()

    assert kept.refusal is None
    assert "no tenant" in caplog.text


@pytest.mark.proves("lost-right-stops-export")
@pytest.mark.parametrize(
    ("lose_right", "asked", "said"),
    [each for each in LOSSES if each[0] not in {leave_team, deactivate}],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_finished_file_is_refused_after_the_right_was_lost(owner, lose_right, asked, said):
    export = run(claimed(owner, **asked))
    page = Client()
    page.force_login(owner)
    program = Client(headers={"Authorization": f"Bearer {tokens.create(owner)}"})
    asks = [
        (page, reverse("exports:file", args=[export.pk])),
        (program, reverse("api:get_file", args=[export.pk])),
    ]
    link = f'href="{asks[0][1]}"'
    for client, url in asks:
        response = client.get(url)
        assert response.status_code == 200
        response.close()
    assert link in page.get(export.get_absolute_url()).text

    lose_right(owner)

    answers = [client.get(url) for client, url in asks]
    assert [each.status_code for each in answers] == [403, 403]
    assert answers[1].json()["detail"].startswith(said)
    assert link not in page.get(export.get_absolute_url()).text


def test_team_member_may_download_a_list_without_being_staff(owner):
    export = run(claimed(owner, team="pilots", changelist=LIST))
    member = User.objects.create_user("grace")
    member.groups.add(Group.objects.get(name="pilots"))
    with pytest.raises(NotPermitted):
        rights.check_download(member, export)

    member.user_permissions.add(Permission.objects.get(codename="export_flight"))

    rights.check_download(User.objects.get(pk=member.pk), export)


def test_user_without_staff_status_cannot_export_a_list(owner):
    lose_staff(owner)

    with pytest.raises(NotPermitted, match="You do not have permission to view flights"):
        start(User.objects.get(pk=owner.pk), exporter="watched", changelist=LIST)
