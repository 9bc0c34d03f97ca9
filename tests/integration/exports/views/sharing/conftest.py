"""A team, its members, and an export that is shared with it."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def team():
    from django.contrib.auth.models import Group

    return Group.objects.create(name="Analysts")


@pytest.fixture
def owner(team):
    from tests.support.sharing import make_user

    return make_user("ada", team, first_name="Ada", last_name="Lovelace")


@pytest.fixture
def member(team):
    from tests.support.sharing import make_user

    return make_user("grace", team)


@pytest.fixture
def outsider():
    """In a team, and in another one."""
    from django.contrib.auth.models import Group

    from tests.support.sharing import make_user

    return make_user("edsger", Group.objects.create(name="Others"))


@pytest.fixture
def shared(owner, team):
    from tests.support.starting import start_export

    return start_export(user=owner, exporter="airports", label="Places", team=team.pk)
