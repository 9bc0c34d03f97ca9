"""These tests have a real Valkey: what is pushed after a commit arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import translation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.valkey import Valkey


@pytest.fixture(autouse=True)
def _pushes_arrive(valkey: Valkey) -> None:
    """Each test begins with a Valkey that runs and is empty."""


@pytest.fixture(autouse=True)
def _no_refusal_is_remembered() -> None:
    """This process counts refusals by the key of the user, which tests share."""
    from exports.spec import refusals  # Needs the apps, which are loaded only now.

    refusals.clear()


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def grace(django_user_model):
    return django_user_model.objects.create_user("grace")


@pytest.fixture
def superuser(django_user_model):
    """A superuser, who may run every exporter."""
    return django_user_model.objects.create_superuser("person")


@pytest.fixture
def operator(django_user_model):
    """A client that is signed in as a superuser."""
    from django.test import Client  # Needs the settings, which are not there yet.

    client = Client()
    client.force_login(django_user_model.objects.create_superuser("operator"))
    return client


@pytest.fixture
def cookie(ada):
    """The key of a session of Ada's."""
    from tests.support.streaming import session_of  # Needs the apps, which are not there yet.

    return session_of(ada)


@pytest.fixture
def quiet_streams(settings, monkeypatch):
    """No sweep, no heartbeat, and no circuit breaker of pushes."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 3600.0
    monkeypatch.setattr("notifications.streams.push._retry_at", 0.0)
    # Without sweeps nothing brings what a push gave up because the machine was busy.
    monkeypatch.setattr("notifications.streams.push.TIMEOUT", 30.0)


@pytest.fixture(autouse=True)
def _no_language_is_left() -> Iterator[None]:
    """A request leaves its language in the thread that answered it: with a client, the test's."""
    yield
    translation.deactivate()
