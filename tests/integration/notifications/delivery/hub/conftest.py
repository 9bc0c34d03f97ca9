"""A subscriber of the hub, and how often it sweeps."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def _seldom_sweeps(settings):
    """Tests of pushes must not be passed by a sweep."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0


@pytest.fixture
def often_sweeps(settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 0.05


@pytest.fixture
def channels(valkey):
    """A function: what this process has subscribed to in Valkey."""

    def ask():
        with valkey.client() as client:
            return sorted(name.decode() for name in client.pubsub_channels())

    return ask


@pytest.fixture
async def subscriber():
    """A subscriber, which leaves all streams at the end."""
    from notifications.delivery import hub
    from tests.support.hub import RecordingSubscriber

    subscriber = RecordingSubscriber()
    yield subscriber
    the_hub = hub.current()
    for stream in list(the_hub._followers):
        for follower in list(the_hub._followers.get(stream, ())):
            await the_hub.leave(stream, follower)
