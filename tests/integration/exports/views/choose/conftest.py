"""Who chooses what an export has, and from which rows."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def user(exporter_user):
    return exporter_user


@pytest.fixture
def team(user):
    from django.contrib.auth.models import Group

    team = Group.objects.create(name="Pilots")
    user.groups.add(team)
    return team


@pytest.fixture
def flights():
    from tests.support import exporting

    return exporting.make_flights(range(1, 31))


@pytest.fixture(autouse=True)
def _folders(folder):
    """Files are stored below a folder of the test."""
