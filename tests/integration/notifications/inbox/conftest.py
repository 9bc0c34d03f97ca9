"""A user, and types of notifications that last for one test."""

from __future__ import annotations

import pytest


@pytest.fixture
def register(monkeypatch):
    """Register a type of events as notifications, for this test: `register(type, notice)`."""
    from notifications.inbox import types  # Needs the apps, which are loaded later.

    monkeypatch.setattr(types, "_types", dict(types._types))
    return types.register


@pytest.fixture
def user(django_user_model):
    return django_user_model.objects.create_user("reader")
