"""The pages of a shared export, and the form that shares one."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from exports import lifecycle
from exports.models import Export
from exports.status import Status
from notifications.streams import current_cursor
from notifications.streams.backlog import heads
from tests.support.exporting import force_status
from tests.support.sharing import DASHBOARD, EXPORTS, text_of
from tests.support.signing_in import signed_in
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


ADAS = "Ada Lovelace\N{RIGHT SINGLE QUOTATION MARK}s"

# -- Pages ---------------------------------------------------------------------------------------


def test_members_dashboard_names_the_owner_and_has_no_buttons(shared, member):
    response = signed_in(member).get(DASHBOARD)

    assert f"Places CSV {ADAS}, shared with Analysts" in text_of(response)
    assert reverse("exports:cancel", args=[shared.pk]) not in response.content.decode()


def test_owners_dashboard_names_the_team(shared, owner):
    response = signed_in(owner).get(DASHBOARD)

    assert "Places CSV Shared with Analysts" in text_of(response)
    assert reverse("exports:cancel", args=[shared.pk]) in response.content.decode()


def test_finished_export_is_in_the_history_of_members(shared, member):
    lifecycle.cancel(shared)

    response = signed_in(member).get(DASHBOARD)

    assert [export.label for export in response.context["history"]] == ["Places"]
    assert f"{ADAS}, shared with Analysts" in text_of(response)


def test_export_page_names_owner_and_team(shared, member):
    text = text_of(signed_in(member).get(shared.get_absolute_url()))

    assert "Requested by Ada Lovelace" in text
    assert "Shared with Analysts" in text


def test_dashboard_follows_the_streams_of_user_and_teams(shared, member, team):
    another = Group.objects.create(name="Aviators")
    member.groups.add(another)

    streams = signed_in(member).get(DASHBOARD).context["streams"]

    # That of a team of which nothing has been told yet, too: its cursor is made for the page.
    names = [f"user-{member.pk}", f"team-{team.pk}", f"team-{another.pk}"]
    assert streams == {name: current_cursor(name) for name in names}


def test_cursors_of_the_dashboard_are_older_than_its_content(shared, member, team, monkeypatch):
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
def test_teams_and_shared_exports_cost_no_extra_queries(shared, owner, member, path):
    force_status(
        shared, Status.PAUSED
    )  # What waits asks for its place in the queue, each for itself.
    client = signed_in(member)
    client.get(path)
    few = queries_of(client, path)

    for number in range(3):
        team = Group.objects.create(name=f"Team {number}")
        for user in (owner, member):
            user.groups.add(team)
        export = start_export(user=owner, exporter="airports", team=team.pk)
        lifecycle.pause(export)

    assert queries_of(client, path) == few


# -- The form ------------------------------------------------------------------------------------


def test_form_offers_own_teams_and_explains_sharing(member, outsider):
    response = signed_in(member).get(DASHBOARD)

    select = response.context["form"].fields["team"].widget
    assert [name for _, name in select.choices] == ["No one", "Analysts"]
    content = response.content.decode()
    assert 'aria-describedby="id_team_helptext"' in content
    assert 'id="id_team_helptext"' in content
    assert "It contains the rows you have access to" in text_of(response)
    assert "Others" not in text_of(response)


def test_form_of_a_user_without_a_team_has_no_team_field(member):
    member.groups.clear()

    response = signed_in(member).get(DASHBOARD)

    assert "Share with" not in text_of(response)
    assert 'name="team"' not in response.content.decode()


@pytest.mark.parametrize("chosen", ["", None])
def test_empty_team_keeps_the_export_private(owner, chosen):
    data = {"exporter": "airports", "format": "csv"} | ({} if chosen is None else {"team": chosen})

    response = signed_in(owner).post(reverse("exports:create"), data)

    assert response.status_code == 303
    assert Export.objects.get().team is None


def test_chosen_team_shares_the_export(owner, team):
    data = {"exporter": "airports", "format": "csv", "team": team.pk}

    assert signed_in(owner).post(reverse("exports:create"), data).status_code == 303

    assert Export.objects.get().team == team


def test_foreign_team_is_refused_at_its_field(owner, outsider):
    data = {"exporter": "airports", "format": "csv", "team": outsider.groups.get().pk}

    response = signed_in(owner).post(reverse("exports:create"), data)

    assert response.status_code == 422
    assert "You are not in the team" in response.context["form"].errors["team"][0]
    assert not Export.objects.exists()


def test_team_that_was_just_left_is_refused(owner, team):
    """The page was made before. An export that is not shared is not what was asked for."""
    owner.groups.clear()

    response = signed_in(owner).post(
        reverse("exports:create"), {"exporter": "airports", "format": "csv", "team": team.pk}
    )

    assert response.status_code == 422
    assert "Your teams: none." in text_of(response)
    assert not Export.objects.exists()
