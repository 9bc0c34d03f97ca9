"""Exports in the admin: who may see them there, and that its pages keep to the security policy."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group

from exports.status import Status
from tests.support.export_admin import LIST, change, make, staff_with
from tests.support.pages import text

pytestmark = pytest.mark.django_db


# -- Who may do what -----------------------------------------------------------------------------


def test_list_of_exports_needs_the_view_permission():
    assert staff_with("view_flight", "export_flight").get(LIST).status_code == 403


def test_view_permission_shows_exports_of_all_users():
    make(label="Somebody's flights")

    assert "Somebody's flights" in text(staff_with("view_export").get(LIST))


def test_list_shows_teams_and_filters_by_team(operator):
    team = Group.objects.create(name="Analysts")
    make(label="Shared flights", team=team)
    make(label="Flights of one's own")

    listed, filtered = operator.get(LIST), operator.get(LIST, {"team__id__exact": team.pk})

    assert '<td class="field-team nowrap">Analysts</td>' in text(listed)
    assert "Flights of one's own" in text(listed)
    assert "Shared flights" in text(filtered)
    assert "Flights of one's own" not in text(filtered)


def test_admin_can_neither_add_change_nor_delete_an_export(operator):
    export = make()

    assert operator.get(f"{LIST}add/").status_code == 403
    assert operator.post(change(export), {"label": "Mine"}).status_code == 403
    assert operator.post(f"{LIST}{export.pk}/delete/", {"post": "yes"}).status_code == 403
    export.refresh_from_db()
    assert export.label == "Flights"


# -- What a strict content security policy forbids -----------------------------------------------


def test_pages_have_no_inline_script_or_style(operator):
    export = make(Status.RUNNING)
    pages = (
        LIST,
        change(export),
        "/admin/demo/flight/",
        "/admin/demo/flight/export/",
        f"{LIST}health/",
        "/admin/notifications/event/",
        "/admin/notifications/stream/",
    )

    for page in pages:
        answer = operator.get(page)

        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        html = answer.content.decode()
        assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", html) == [], page
