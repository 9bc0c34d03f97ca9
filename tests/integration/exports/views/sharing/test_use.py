"""What members of a team may do with a shared export: stop it, download it, follow it."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission
from django.test import AsyncClient
from django.urls import reverse

from demo.models import Airport
from exports import lifecycle
from exports.access import may_change
from exports.exporters import Exporter
from exports.lifecycle import attempts
from exports.models import Export
from exports.status import Status
from notifications.streams import current_cursor
from tests.support.exporting import content, registered, run, use_folders
from tests.support.sharing import EXPORTS, NOWHERE, text_of
from tests.support.signing_in import signed_in
from tests.support.starting import start_export
from tests.support.streaming import connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


def post(client, path, body):
    return client.post(path, json.dumps(body), content_type="application/json")


# -- Stopping it ---------------------------------------------------------------------------------


@pytest.mark.proves("team-members-only-look")
@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
def test_members_may_view_and_not_change(shared, member, action):
    client = signed_in(member)

    pressed = client.post(reverse(f"exports:{action}", args=[shared.pk]))
    called = client.post(f"{EXPORTS}/{shared.pk}/{action}")

    assert not may_change(member, shared)
    assert pressed.status_code == called.status_code == 403
    assert "You can view this export but not change it." in text_of(pressed)
    assert called.json()["detail"] == "You can view this export but not change it."
    shared.refresh_from_db()
    assert shared.status == Status.QUEUED


def test_member_with_change_permission_may_stop_the_export(shared, member):
    member.user_permissions.add(Permission.objects.get(codename="change_export"))

    assert signed_in(member).post(f"{EXPORTS}/{shared.pk}/cancel").status_code == 202


# -- The file ------------------------------------------------------------------------------------


class Places(Exporter):
    """Ada may see all, and others none."""

    name = "places"
    queryset = Airport.objects.all()
    columns = ["faa"]
    permission = "demo.export_airport"

    def get_queryset(self, user):
        rows = super().get_queryset(user)
        return rows if user.username == "ada" else rows.none()


@pytest.fixture
def finished(owner, team, settings, tmp_path):
    """A shared export with its file: two rows that its owner may see."""
    use_folders(settings, tmp_path)
    for code in ("EWR", "JFK"):
        Airport.objects.create(faa=code, name=code, lat=40.7, lon=-74.2, alt=18, tz=-5, dst="A")
    with registered(Places):
        export = start_export(user=owner, exporter="places", team=team.pk)
        yield run(attempts.claim(export.pk, worker="worker-1@tests"))


@pytest.mark.proves("shared-file-has-owners-rows")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["page", "api"])
async def test_member_downloads_the_rows_of_the_owner(finished, member, way):
    client = AsyncClient()
    await client.aforce_login(member)
    links = {
        "page": reverse("exports:file", args=[finished.pk]),
        "api": f"{EXPORTS}/{finished.pk}/file",
    }

    response = await client.get(links[way])

    assert response.status_code == 200
    body = b"".join([block async for block in response])
    assert body == await in_thread(content, finished) == b"faa\nEWR\nJFK\n"


@pytest.mark.proves("shared-file-has-owners-rows")
def test_member_without_export_permission_gets_no_file(finished, member):
    member.user_permissions.clear()
    client = signed_in(member)

    page = client.get(reverse("exports:file", args=[finished.pk]))
    called = client.get(f"{EXPORTS}/{finished.pk}/file")

    assert client.get(finished.get_absolute_url()).status_code == 200
    assert (page.status_code, called.status_code) == (403, 403)
    assert 'You do not have permission to export "Places"' in called.json()["detail"]


def test_download_link_is_hidden_without_permission(finished, member):
    link = f'href="{reverse("exports:file", args=[finished.pk])}"'
    assert link in signed_in(member).get(finished.get_absolute_url()).content.decode()
    member.user_permissions.clear()

    page = signed_in(member).get(finished.get_absolute_url())

    assert link not in page.content.decode()
    assert "you need permission to export this data" in text_of(page)


# -- The API -------------------------------------------------------------------------------------


def test_api_shares_a_new_export(owner, team):
    response = post(signed_in(owner), EXPORTS, {"exporter": "airports", "team": team.pk})

    assert response.status_code == 202
    assert response.json()["team"] == {"id": team.pk, "name": "Analysts"}
    assert Export.objects.get().team == team


def test_api_refuses_a_foreign_team_like_a_missing_one(owner, outsider):
    client, theirs = signed_in(owner), outsider.groups.get().pk

    def refused(team):
        response = post(client, EXPORTS, {"exporter": "airports", "team": team})
        assert response.status_code == 422
        return json.loads(response.content.decode().replace(f"team {team}", "team …"))

    assert refused(theirs) == refused(NOWHERE)
    assert refused(theirs)["field"] == "team"
    assert not Export.objects.exists()


def test_api_lists_exports_shared_with_the_users_teams(shared, member, outsider):
    start_export(user=member, exporter="airports", label="Mine")

    items = signed_in(member).get(EXPORTS).json()["items"]

    assert {each["label"]: each["owner"]["username"] for each in items} == {
        "Mine": "grace",
        "Places": "ada",
    }
    assert signed_in(outsider).get(EXPORTS).json()["count"] == 0


# -- On the wire ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_member_follows_a_shared_export_live(shared, member, team):
    streams = [f"team-{team.pk}", shared.stream]
    cursors = await in_thread(lambda: {name: current_cursor(name) for name in streams})

    async with connected(cookie=await in_thread(session_of, member)) as socket:
        await socket.subscribe(cursors)
        await in_thread(lifecycle.cancel, shared)
        missing = {(name, "export.cancelled") for name in streams} | {(shared.stream, "log")}
        while missing:
            frame = await socket.next()
            missing.discard((frame["stream"], frame.get("event")))

    versions = {each["data"]["version"] for each in socket.frames if each["type"] == "state"}
    assert versions == {2}


@pytest.mark.django_db(transaction=True)
async def test_outsider_cannot_follow_the_streams(shared, outsider, team):
    async with connected(cookie=await in_thread(session_of, outsider)) as socket:
        for name in shared.streams:
            answer = await socket.subscribe({name: None})
            assert (answer["type"], answer["code"]) == ("error", "forbidden")
