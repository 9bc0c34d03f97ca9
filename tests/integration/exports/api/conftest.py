"""Programs that use the HTTP API of exports."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def another():
    """May export everything; what is theirs is not for `somebody`."""
    from django.contrib.auth.models import User

    return User.objects.create_superuser("another")


@pytest.fixture
def api(somebody):
    """A program with `somebody`'s token."""
    from tests.support.exports_api import program

    return program(somebody)
