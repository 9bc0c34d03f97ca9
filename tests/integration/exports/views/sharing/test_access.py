"""An export that is shared with a team: who may share it, is told of it, and sees it."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from exports import lifecycle
from exports.access import visible_to
from exports.exceptions import UnknownTeam
from exports.models import Export
from exports.serialize import snapshot
from exports.status import Status
from notifications.streams.access import may_read
from tests.support.exporting import events, force_status, log, retained
from tests.support.sharing import DASHBOARD, EXPORTS, NOWHERE, make_user
from tests.support.signing_in import signed_in
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


def cards(response):
    """The labels of the exports on a dashboard, those under way first."""
    context = response.context
    return [export.label for part in ("active", "history") for export in context[part]]


# -- Asking --------------------------------------------------------------------------------------


def test_export_is_private_by_default(owner):
    export = start_export(user=owner, exporter="airports")

    assert export.team is None
    assert export.streams == [f"export-{export.pk}", f"user-{owner.pk}"]


def test_export_can_be_shared_with_a_team_of_the_owner(shared, team):
    assert shared.team == team
    assert snapshot(shared)["team"] == {"id": team.pk, "name": "Analysts"}
    assert snapshot(shared)["owner"] == {"username": "ada", "name": "Ada Lovelace"}


@pytest.mark.proves("team-members-only-look")
def test_foreign_team_is_refused_like_a_missing_one(owner, outsider):
    theirs = outsider.groups.get().pk

    def refusal(team):
        with pytest.raises(UnknownTeam) as caught:
            start_export(user=owner, exporter="airports", team=team)
        assert caught.value.field == "team"
        return str(caught.value).replace(str(team), "…", 1)

    mine = owner.groups.get()
    assert refusal(theirs) == refusal(NOWHERE) == refusal("all")
    assert refusal(theirs) == f"You are not in the team …. Your teams: {mine.pk} (Analysts)."
    assert not Export.objects.exists()


def test_user_without_a_team_cannot_share(owner):
    owner.groups.clear()

    with pytest.raises(UnknownTeam, match="Your teams: none"):
        start_export(user=owner, exporter="airports", team=NOWHERE)


# -- Telling -------------------------------------------------------------------------------------


def test_every_change_reaches_export_team_and_owner_streams(shared, team, owner):
    lifecycle.pause(shared)
    lifecycle.resume(shared)
    lifecycle.cancel(shared)

    streams = [f"export-{shared.pk}", f"team-{team.pk}", f"user-{owner.pk}"]
    told = ["export.queued", "export.paused", "export.queued", "export.cancelled"]
    assert [events(stream) for stream in streams] == [told] * 3
    assert [retained(stream, shared.key) for stream in streams] == [snapshot(shared)] * 3


def test_log_is_on_the_stream_of_the_export_only(shared):
    lifecycle.cancel(shared)

    assert log(shared) == ["Cancelled."]
    for stream in shared.streams[1:]:
        assert events(stream, "log") == []


def test_streams_are_locked_in_the_order_of_their_names(shared):
    """Or two transactions may wait for each other."""
    assert len(shared.streams) == 3
    assert shared.streams == sorted(shared.streams)


def test_team_announcement_needs_no_query_for_names(shared):
    """A bar moves four times a second."""
    with CaptureQueriesContext(connection) as captured:
        lifecycle.pause(shared)

    reads = [each["sql"] for each in captured if each["sql"].startswith("SELECT")]
    of_people = [sql for sql in reads if re.search(r'FROM "auth_(user|group)"', sql)]
    assert of_people == []


# -- Seeing --------------------------------------------------------------------------------------


@pytest.mark.proves("team-members-only-look")
def test_members_see_a_shared_export_and_outsiders_do_not(shared, owner, member, outsider):
    assert [visible_to(user).count() for user in (owner, member, outsider)] == [1, 1, 0]
    assert [may_read(user, shared.stream) for user in (owner, member, outsider)] == [
        *(True, True, False)
    ]
    assert signed_in(member).get(shared.get_absolute_url()).status_code == 200
    assert signed_in(outsider).get(shared.get_absolute_url()).status_code == 404


def test_owner_in_a_large_team_sees_the_export_once(shared, owner, team):
    for number in range(3):
        make_user(f"member{number}", team)

    assert list(visible_to(owner)) == [shared]
    assert cards(signed_in(owner).get(DASHBOARD)) == ["Places"]


def test_visible_exports_need_one_query(shared, member, django_assert_num_queries):
    force_status(shared, Status.PAUSED)  # What waits asks for its place in the queue.
    member.has_perm("exports.view_export")  # Django's own questions, kept on the user.

    with django_assert_num_queries(1):
        (seen,) = visible_to(member)
        assert snapshot(seen)["owner"]["name"] == "Ada Lovelace"


def test_private_export_is_hidden_from_the_team(owner, member):
    start_export(user=owner, exporter="airports")

    assert not visible_to(member).exists()
    assert cards(signed_in(member).get(DASHBOARD)) == []


@pytest.mark.proves("team-members-only-look")
def test_user_who_leaves_the_team_loses_the_export(shared, member, team):
    client = signed_in(member)
    member.groups.remove(team)

    assert cards(client.get(DASHBOARD)) == []
    for name in ("detail", "card", "file"):
        assert client.get(reverse(f"exports:{name}", args=[shared.pk])).status_code == 404
    assert client.get(f"{EXPORTS}/{shared.pk}").status_code == 404
    assert not any(may_read(member, stream) for stream in shared.streams)


def test_export_stays_shared_when_its_owner_leaves_the_team(shared, owner, member):
    owner.groups.clear()

    assert list(visible_to(owner)) == list(visible_to(member)) == [shared]


@pytest.mark.proves("team-members-only-look")
def test_deleted_team_leaves_the_export_to_its_owner(shared, owner, member, team):
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
