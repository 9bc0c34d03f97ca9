"""Who connects in these tests, and what is quiet unless one asks for it."""

from __future__ import annotations

import pytest

OFTEN = 0.05  # seconds


@pytest.fixture(autouse=True)
def _quiet(quiet_streams):
    """All tests here begin quiet; some ask for sweeps or heartbeats."""


@pytest.fixture
def often_sweeps(settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = OFTEN


@pytest.fixture
def unpushed(monkeypatch):
    """What is published is not pushed."""
    monkeypatch.setattr("notifications.streams.push.send", lambda outgoing: False)


@pytest.fixture
def user(django_user_model):
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def cookie(user):
    from tests.support.streaming import session_of  # Needs the apps, which are not there yet.

    return session_of(user)


@pytest.fixture
def name(user):
    """The user's own stream."""
    return f"user-{user.pk}"
