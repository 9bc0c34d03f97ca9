"""An export that is shared with a team: who sees it, and what they may do with it."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from demo.models import Airport
from exports import lifecycle
from exports.access import may_change, visible_to
from exports.exceptions import UnknownTeam
from exports.exporters import Exporter
from exports.lifecycle import attempts
from exports.models import Export
from exports.serialize import snapshot
from exports.status import Status
from notifications.streams import current_cursor
from notifications.streams.access import may_read
from notifications.streams.backlog import heads
from tests.support.exporting import (
    content,
    events,
    log,
    put,
    registered,
    retained,
    run,
    use_folders,
)
from tests.support.streaming import connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)

DASHBOARD = reverse("exports:dashboard")
EXPORTS = "/api/v1/exports"
NOWHERE = 10**12  # A team that is not there.
ADAS = "Ada Lovelace\N{RIGHT SINGLE QUOTATION MARK}s"


def make_user(name, *groups, **fields):
    """Somebody who may export airports."""
    user = User.objects.create_user(name, **fields)
    user.user_permissions.add(Permission.objects.get(codename="export_airport"))
    user.groups.set(groups)
    return user


@pytest.fixture
def team():
    return Group.objects.create(name="Analysts")


@pytest.fixture
def owner(team):
    return make_user("ada", team, first_name="Ada", last_name="Lovelace")


@pytest.fixture
def member(team):
    return make_user("grace", team)


@pytest.fixture
def outsider():
    """In a team, and in another one."""
    return make_user("edsger", Group.objects.create(name="Others"))


@pytest.fixture
def shared(owner, team):
    return lifecycle.request(user=owner, exporter="airports", label="Places", team=team.pk)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def post(client, path, body):
    return client.post(path, json.dumps(body), content_type="application/json")


def text_of(response):
    """What a person reads on a page, spaces made plain."""
    without_names = re.sub(r"</?bdi>", "", response.content.decode())
    without_tags = re.sub(r"<[^>]+>", " ", without_names)
    return " ".join(unescape(without_tags).split())


def cards(response):
    """The labels of the exports on a dashboard, those under way first."""
    context = response.context
    return [export.label for part in ("active", "history") for export in context[part]]


# -- Asking ---------------------------------------------------------------------------


def test_an_export_is_shared_with_nobody_unless_somebody_asks(owner):
    export = lifecycle.request(user=owner, exporter="airports")

    assert export.team is None
    assert export.streams == [f"export-{export.pk}", f"user-{owner.pk}"]


def test_it_can_be_shared_with_a_team_of_ones_own(shared, team):
    assert shared.team == team
    assert snapshot(shared)["team"] == {"id": team.pk, "name": "Analysts"}
    assert snapshot(shared)["owner"] == {"username": "ada", "name": "Ada Lovelace"}


def test_a_team_of_others_gets_the_answer_of_one_that_is_not_there(owner, outsider):
    theirs = outsider.groups.get().pk

    def refusal(team):
        with pytest.raises(UnknownTeam) as caught:
            lifecycle.request(user=owner, exporter="airports", team=team)
        assert caught.value.field == "team"
        return str(caught.value).replace(str(team), "…", 1)

    mine = owner.groups.get()
    assert refusal(theirs) == refusal(NOWHERE) == refusal("all")
    assert refusal(theirs) == f"You are in no team …. You are in: {mine.pk} (Analysts)."
    assert not Export.objects.exists()


def test_who_is_in_no_team_is_told_so(owner):
    owner.groups.clear()

    with pytest.raises(UnknownTeam, match="You are in: none"):
        lifecycle.request(user=owner, exporter="airports", team=NOWHERE)


# -- Telling --------------------------------------------------------------------------


def test_every_change_is_told_on_the_streams_of_export_team_and_owner(shared, team, owner):
    lifecycle.pause(shared)
    lifecycle.resume(shared)
    lifecycle.cancel(shared)

    streams = [f"export-{shared.pk}", f"team-{team.pk}", f"user-{owner.pk}"]
    told = ["export.queued", "export.paused", "export.queued", "export.cancelled"]
    assert [events(stream) for stream in streams] == [told] * 3
    assert [retained(stream, shared.key) for stream in streams] == [snapshot(shared)] * 3


def test_the_log_is_on_the_stream_of_the_export_alone(shared):
    lifecycle.cancel(shared)

    assert log(shared) == ["Cancelled."]
    for stream in shared.streams[1:]:
        assert events(stream, "log") == []


def test_streams_are_taken_in_the_order_of_their_names(shared):
    """Or two transactions may wait for each other."""
    assert len(shared.streams) == 3
    assert shared.streams == sorted(shared.streams)


def test_telling_a_team_asks_for_no_names(shared):
    """A bar moves four times a second."""
    with CaptureQueriesContext(connection) as captured:
        lifecycle.pause(shared)

    reads = [each["sql"] for each in captured if each["sql"].startswith("SELECT")]
    of_people = [sql for sql in reads if re.search(r'FROM "auth_(user|group)"', sql)]
    assert of_people == []


# -- Seeing ---------------------------------------------------------------------------


def test_members_see_it_and_nobody_else_does(shared, owner, member, outsider):
    assert [visible_to(user).count() for user in (owner, member, outsider)] == [1, 1, 0]
    assert [may_read(user, shared.stream) for user in (owner, member, outsider)] == [
        *(True, True, False)
    ]
    assert signed_in(member).get(shared.get_absolute_url()).status_code == 200
    assert signed_in(outsider).get(shared.get_absolute_url()).status_code == 404


def test_who_is_owner_and_member_sees_it_once_however_large_the_team(shared, owner, team):
    for number in range(3):
        make_user(f"member{number}", team)

    assert list(visible_to(owner)) == [shared]
    assert cards(signed_in(owner).get(DASHBOARD)) == ["Places"]


def test_what_is_visible_is_asked_in_one_query(shared, member, django_assert_num_queries):
    put(shared, Status.PAUSED)  # What waits asks for its place in the queue.
    member.has_perm("exports.view_export")  # Django's own questions, kept on the user.

    with django_assert_num_queries(1):
        (seen,) = visible_to(member)
        assert snapshot(seen)["owner"]["name"] == "Ada Lovelace"


def test_an_export_that_is_not_shared_stays_ones_own_in_a_team(owner, member):
    lifecycle.request(user=owner, exporter="airports")

    assert not visible_to(member).exists()
    assert cards(signed_in(member).get(DASHBOARD)) == []


def test_who_leaves_the_team_loses_it(shared, member, team):
    client = signed_in(member)
    member.groups.remove(team)

    assert cards(client.get(DASHBOARD)) == []
    for name in ("detail", "card", "file"):
        assert client.get(reverse(f"exports:{name}", args=[shared.pk])).status_code == 404
    assert client.get(f"{EXPORTS}/{shared.pk}").status_code == 404
    assert not any(may_read(member, stream) for stream in shared.streams)


def test_it_stays_shared_when_its_owner_leaves_the_team(shared, owner, member):
    owner.groups.clear()

    assert list(visible_to(owner)) == list(visible_to(member)) == [shared]


def test_a_team_that_is_deleted_leaves_it_to_its_owner_alone(shared, owner, member, team):
    stream = f"team-{team.pk}"

    team.delete()
    lifecycle.cancel(shared)

    assert Export.objects.get().team is None
    assert list(visible_to(owner)) == [shared]
    assert not visible_to(member).exists()
    assert not any(may_read(user, stream) for user in (owner, member))
    assert events(stream) == []  # It went with the team.
    assert events(shared.owner_stream)[-1] == "export.cancelled"
    assert retained(shared.owner_stream, shared.key)["team"] is None


# -- Pages ----------------------------------------------------------------------------


def test_a_members_dashboard_says_whose_it_is_and_has_no_buttons(shared, member):
    response = signed_in(member).get(DASHBOARD)

    assert f"Places CSV {ADAS}, shared with Analysts" in text_of(response)
    assert reverse("exports:cancel", args=[shared.pk]) not in response.content.decode()


def test_ones_own_dashboard_says_with_whom_it_is_shared(shared, owner):
    response = signed_in(owner).get(DASHBOARD)

    assert "Places CSV Shared with Analysts" in text_of(response)
    assert reverse("exports:cancel", args=[shared.pk]) in response.content.decode()


def test_a_finished_one_is_in_the_history_of_members(shared, member):
    lifecycle.cancel(shared)

    response = signed_in(member).get(DASHBOARD)

    assert [export.label for export in response.context["history"]] == ["Places"]
    assert f"{ADAS}, shared with Analysts" in text_of(response)


def test_the_page_of_an_export_says_whose_it_is_and_with_whom_it_is_shared(shared, member):
    text = text_of(signed_in(member).get(shared.get_absolute_url()))

    assert "Requested by Ada Lovelace" in text
    assert "Shared with Analysts" in text


def test_a_dashboard_follows_ones_own_stream_and_those_of_ones_teams(shared, member, team):
    another = Group.objects.create(name="Aviators")
    member.groups.add(another)

    streams = signed_in(member).get(DASHBOARD).context["streams"]

    # That of a team of which nothing has been told yet, too: its cursor is made for the page.
    names = [f"user-{member.pk}", f"team-{team.pk}", f"team-{another.pk}"]
    assert streams == {name: current_cursor(name) for name in names}


def test_the_cursors_of_a_dashboard_are_older_than_what_it_shows(shared, member, team, monkeypatch):
    """What happens while it is made comes over the socket again, rather than never."""
    before = current_cursor(f"team-{team.pk}")

    def then_it_is_paused(names):
        found = heads(names)
        lifecycle.pause(shared)
        return found

    monkeypatch.setattr("exports.views.dashboard.heads", then_it_is_paused)

    response = signed_in(member).get(DASHBOARD)

    assert "Paused. Finished parts are kept" in text_of(response)
    assert response.context["streams"][f"team-{team.pk}"] == before


def queries_of(client, url):
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
    return len(captured)


@pytest.mark.parametrize("path", [DASHBOARD, EXPORTS])
def test_neither_teams_nor_what_they_share_cost_queries(shared, owner, member, path):
    put(shared, Status.PAUSED)  # What waits asks for its place in the queue, each for itself.
    client = signed_in(member)
    client.get(path)
    few = queries_of(client, path)

    for number in range(3):
        team = Group.objects.create(name=f"Team {number}")
        for user in (owner, member):
            user.groups.add(team)
        export = lifecycle.request(user=owner, exporter="airports", team=team.pk)
        lifecycle.pause(export)

    assert queries_of(client, path) == few


# -- The form -------------------------------------------------------------------------


def test_the_form_offers_ones_own_teams_and_nobody_and_says_what_sharing_means(member, outsider):
    response = signed_in(member).get(DASHBOARD)

    select = response.context["form"].fields["team"].widget
    assert [name for _, name in select.choices] == ["Nobody", "Analysts"]
    content = response.content.decode()
    assert 'aria-describedby="id_team_helptext"' in content
    assert 'id="id_team_helptext"' in content
    assert "with the rows that you may see" in text_of(response)
    assert "Others" not in text_of(response)


def test_who_is_in_no_team_is_not_asked(member):
    member.groups.clear()

    response = signed_in(member).get(DASHBOARD)

    assert "Share with" not in text_of(response)
    assert 'name="team"' not in response.content.decode()


@pytest.mark.parametrize("chosen", ["", None])
def test_choosing_nobody_shares_it_with_nobody(owner, chosen):
    data = {"exporter": "airports", "format": "csv"} | ({} if chosen is None else {"team": chosen})

    response = signed_in(owner).post(reverse("exports:create"), data)

    assert response.status_code == 303
    assert Export.objects.get().team is None


def test_choosing_a_team_shares_it_with_them(owner, team):
    data = {"exporter": "airports", "format": "csv", "team": team.pk}

    assert signed_in(owner).post(reverse("exports:create"), data).status_code == 303

    assert Export.objects.get().team == team


def test_a_team_that_one_is_not_in_is_refused_at_its_field(owner, outsider):
    data = {"exporter": "airports", "format": "csv", "team": outsider.groups.get().pk}

    response = signed_in(owner).post(reverse("exports:create"), data)

    assert response.status_code == 422
    assert "You are in no team" in response.context["form"].errors["team"][0]
    assert not Export.objects.exists()


def test_who_has_left_their_last_team_since_is_told_so(owner, team):
    """The page was made before. An export that is not shared is not what was asked for."""
    owner.groups.clear()

    response = signed_in(owner).post(
        reverse("exports:create"), {"exporter": "airports", "format": "csv", "team": team.pk}
    )

    assert response.status_code == 422
    assert "You are in: none." in text_of(response)
    assert not Export.objects.exists()


# -- Stopping it ----------------------------------------------------------------------


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
def test_members_may_look_and_not_change(shared, member, action):
    client = signed_in(member)

    pressed = client.post(reverse(f"exports:{action}", args=[shared.pk]))
    called = client.post(f"{EXPORTS}/{shared.pk}/{action}")

    assert not may_change(member, shared)
    assert pressed.status_code == called.status_code == 403
    assert "You may look at this export, and not change it." in text_of(pressed)
    assert called.json()["detail"] == "You may look at this export, and not change it."
    shared.refresh_from_db()
    assert shared.status == Status.QUEUED


def test_a_member_who_may_change_exports_may_stop_it(shared, member):
    member.user_permissions.add(Permission.objects.get(codename="change_export"))

    assert signed_in(member).post(f"{EXPORTS}/{shared.pk}/cancel").status_code == 202


# -- The file -------------------------------------------------------------------------


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
        export = lifecycle.request(user=owner, exporter="places", team=team.pk)
        yield run(attempts.claim(export.pk, worker="worker-1@tests"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["page", "api"])
async def test_a_member_downloads_the_rows_that_the_owner_may_see(finished, member, way):
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


def test_a_member_who_may_not_run_the_exporter_gets_no_file(finished, member):
    member.user_permissions.clear()
    client = signed_in(member)

    page = client.get(reverse("exports:file", args=[finished.pk]))
    called = client.get(f"{EXPORTS}/{finished.pk}/file")

    assert client.get(finished.get_absolute_url()).status_code == 200
    assert (page.status_code, called.status_code) == (403, 403)
    assert 'You may not export "Places"' in called.json()["detail"]


def test_who_would_get_no_file_is_offered_none(finished, member):
    link = f'href="{reverse("exports:file", args=[finished.pk])}"'
    assert link in signed_in(member).get(finished.get_absolute_url()).content.decode()
    member.user_permissions.clear()

    page = signed_in(member).get(finished.get_absolute_url())

    assert link not in page.content.decode()
    assert "you need the permission to run its exporter" in text_of(page)


# -- The API --------------------------------------------------------------------------


def test_the_api_shares_at_request_and_says_so(owner, team):
    response = post(signed_in(owner), EXPORTS, {"exporter": "airports", "team": team.pk})

    assert response.status_code == 202
    assert response.json()["team"] == {"id": team.pk, "name": "Analysts"}
    assert Export.objects.get().team == team


def test_the_api_refuses_a_team_of_others_as_one_that_is_not_there(owner, outsider):
    client, theirs = signed_in(owner), outsider.groups.get().pk

    def refused(team):
        response = post(client, EXPORTS, {"exporter": "airports", "team": team})
        assert response.status_code == 422
        return json.loads(response.content.decode().replace(f"team {team}", "team …"))

    assert refused(theirs) == refused(NOWHERE)
    assert refused(theirs)["field"] == "team"
    assert not Export.objects.exists()


def test_the_apis_list_has_what_is_shared_with_ones_teams(shared, member, outsider):
    lifecycle.request(user=member, exporter="airports", label="Mine")

    items = signed_in(member).get(EXPORTS).json()["items"]

    assert {each["label"]: each["owner"]["username"] for each in items} == {
        "Mine": "grace",
        "Places": "ada",
    }
    assert signed_in(outsider).get(EXPORTS).json()["count"] == 0


# -- On the wire ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_a_member_follows_it_live_from_the_dashboard_and_from_its_page(shared, member, team):
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
async def test_an_outsider_gets_neither_of_its_streams(shared, outsider, team):
    async with connected(cookie=await in_thread(session_of, outsider)) as socket:
        for name in shared.streams:
            answer = await socket.subscribe({name: None})
            assert (answer["type"], answer["code"]) == ("error", "forbidden")
