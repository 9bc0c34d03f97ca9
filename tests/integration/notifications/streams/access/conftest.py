"""Ada in a team, Grace, and their connections."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def _quiet(quiet_streams):
    """All tests here begin quiet; some ask for sweeps or heartbeats."""


@pytest.fixture
def view_export():
    from django.contrib.auth.models import Permission

    return Permission.objects.get(content_type__app_label="exports", codename="view_export")


@pytest.fixture
def team(view_export):
    """Pilots, who may view all exports."""
    from django.contrib.auth.models import Group

    team = Group.objects.create(name="pilots")
    team.permissions.add(view_export)
    return team


@pytest.fixture
def ada(team):
    """Somebody with every right that can be taken."""
    from django.contrib.auth.models import User

    ada = User.objects.create_user("ada", password="correct horse")
    ada.groups.add(team)
    return ada


@pytest.fixture
def grace(team):
    """A neighbour, with the same rights."""
    from django.contrib.auth.models import User

    grace = User.objects.create_user("grace")
    grace.groups.add(team)
    return grace


@pytest.fixture
def browser(ada):
    from django.test import Client

    browser = Client()
    browser.force_login(ada)
    return browser


@pytest.fixture
def cookie(browser):
    return browser.cookies["sessionid"].value
