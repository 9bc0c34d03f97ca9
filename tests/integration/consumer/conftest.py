"""Who connects in these tests, and what is quiet unless one asks for it."""

from __future__ import annotations

import pytest

SELDOM, OFTEN = 3600.0, 0.05  # seconds


@pytest.fixture(autouse=True)
def _quiet(settings, monkeypatch):
    """No sweep, no heartbeat and no circuit breaker, unless a test asks for them."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = SELDOM
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = SELDOM
    monkeypatch.setattr("notifications.push._rest_until", 0.0)
    # Without sweeps nothing brings what was given up because the machine was busy.
    monkeypatch.setattr("notifications.push.TIMEOUT", 30.0)


@pytest.fixture
def often_sweeps(settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = OFTEN


@pytest.fixture
def unpushed(monkeypatch):
    """What is published is not pushed."""
    monkeypatch.setattr("notifications.push.send", lambda outgoing: False)


@pytest.fixture
def user(django_user_model):
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def cookie(user):
    from tests.streaming import session_of  # Needs the apps, which are not there yet.

    return session_of(user)


@pytest.fixture
def name(user):
    """The user's own stream."""
    return f"user-{user.pk}"
