"""Programs that use the HTTP API of exports."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def another():
    """May export everything; what is theirs is not for `exporter_user`."""
    from django.contrib.auth.models import User

    return User.objects.create_superuser("another")


@pytest.fixture
def api(exporter_user):
    """A program with the token of `exporter_user`."""
    from tests.support.exports_api import program

    return program(exporter_user)
