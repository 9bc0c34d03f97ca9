"""The rows that tests of specs choose from, and the user and clock of their requests."""

from __future__ import annotations

import pytest


@pytest.fixture
def flights():
    from tests.support.exporting import make_flights  # Needs the apps, which are loaded later.

    return make_flights(range(1, 31))


@pytest.fixture
def signed_in(superuser, client):
    client.force_login(superuser)
    return client


@pytest.fixture
def time_stands_still(monkeypatch):
    """Stop the clock of refusals: a slow machine would forget them in the middle of a test."""
    from exports.spec import refusals

    monkeypatch.setattr(refusals._refusals, "_clock", lambda: 1_000.0)
