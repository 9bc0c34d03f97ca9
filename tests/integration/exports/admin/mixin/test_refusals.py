"""The page that asks for the format: what it refuses, offers and shares."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from exports.models import Export
from tests.support.list_export import LIST, PAGE, staff_with, ticked
from tests.support.pages import text
from tests.support.signing_in import signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("filters", ["nonsense=1", "carrier__nonsense=1", "date__year=x", "id=x"])
def test_invalid_list_filter_is_refused(exporting, filters):
    asked = exporting.get(f"{PAGE}?{filters}")
    started = exporting.post(f"{PAGE}?{filters}", {"format": "csv"})

    for response in (asked, started):
        assert response.status_code == 422
        assert "The filters of this list are not valid" in text(response)
        assert 'name="format"' not in text(response)
    assert not Export.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"format": "docx"}, 'There is no format "docx"'),
        ({}, 'There is no format ""'),
        ({"format": "csv", "_selected_action": ["x"]}, "must be a list of primary keys"),
        ({"format": "csv", "_selected_action": ["9" * 30]}, "must be a list of primary keys"),
        ({"format": "csv", "_selected_action": range(201)}, "You can select up to 200 rows"),
    ],
)
def test_invalid_choice_is_refused_on_the_page(exporting, data, message):
    response = exporting.post(PAGE, data)

    assert response.status_code == 422
    assert message in text(response)
    assert not Export.objects.exists()


def test_page_offers_options_beside_the_format(exporting):
    chosen = {"format": "csv", "delimiter": ";", "bom": "on"}

    assert exporting.post(PAGE, chosen).status_code == 302
    assert Export.objects.get().options == {"delimiter": ";", "bom": True}


def test_unsupported_option_is_refused_and_stays_selected(exporting):
    response = exporting.post(PAGE, {"format": "xlsx", "delimiter": ";"})

    assert response.status_code == 422
    assert 'Excel has no option "delimiter". Available: header' in text(response)
    assert '<option value=";" selected>' in text(response)
    assert not Export.objects.exists()


def test_identical_request_leads_to_the_active_export(exporting):
    first = exporting.post(PAGE, {"format": "csv"})

    second = exporting.post(PAGE, {"format": "csv"})

    assert second.url == first.url
    assert "You already started this export." in text(exporting.get(second.url))
    assert Export.objects.count() == 1


def test_throttled_request_gets_the_retry_time(exporting, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    exporting.post(PAGE, {"format": "csv"})

    response = exporting.post(PAGE, {"format": "jsonl"})

    assert response.status_code == 429
    assert f"Try again in {response['Retry-After']} s." in text(response)
    assert Export.objects.count() == 1


def test_list_can_be_shared_with_a_team_of_the_user():
    staff = staff_with("view_flight", "export_flight")
    team = Group.objects.create(name="Analysts")
    staff.groups.add(team)
    client = signed_in(staff)

    page = client.get(PAGE)
    client.post(PAGE, {"format": "csv", "team": team.pk})
    client.post(PAGE, {"format": "csv", "team": ""})

    assert f'<option value="{team.pk}">Analysts</option>' in text(page)
    assert "It contains the rows you have access to" in text(page)
    assert {export.team for export in Export.objects.all()} == {team, None}


def test_foreign_team_is_refused_and_the_choice_is_kept():
    staff = staff_with("view_flight", "export_flight")
    mine, theirs = (Group.objects.create(name=name) for name in ("Analysts", "Others"))
    staff.groups.add(mine)
    client = signed_in(staff)

    refused = client.post(PAGE, {"format": "csv", "team": theirs.pk})
    other = client.post(PAGE, {"format": "docx", "team": mine.pk})

    assert refused.status_code == other.status_code == 422
    assert f"You are not in the team {theirs.pk}." in text(refused)
    assert "Others" not in text(refused)
    assert f'<option value="{mine.pk}" selected>' in text(other)
    assert not Export.objects.exists()


def test_user_without_a_team_sees_no_team_field(exporting):
    assert 'name="team"' not in text(exporting.get(PAGE))


def test_number_of_ticked_rows_is_limited(exporting):
    response = exporting.post(LIST, ticked(*range(1, 202)), follow=True)

    assert "You can select up to 200 rows" in text(response)


def test_user_without_export_permission_is_refused(looking):
    assert looking.get(PAGE).status_code == 403
    assert looking.post(PAGE, {"format": "csv"}).status_code == 403
    assert not Export.objects.exists()


@pytest.mark.proves("export-needs-permission")
def test_user_without_view_permission_is_refused():
    client = signed_in(staff_with("export_flight"))

    assert client.post(PAGE, {"format": "csv"}).status_code == 403
    assert not Export.objects.exists()


def test_preview_accepts_only_post(exporting):
    assert exporting.get("/admin/demo/flight/export/preview/").status_code == 405


def test_anonymous_user_is_sent_to_the_sign_in_page(client):
    assert client.post(PAGE, {"format": "csv"}).url.startswith("/admin/login/")


def test_cross_site_form_is_refused():
    client = signed_in(staff_with("view_flight", "export_flight"), enforce_csrf_checks=True)

    assert client.post(PAGE, {"format": "csv"}).status_code == 403
    assert not Export.objects.exists()
