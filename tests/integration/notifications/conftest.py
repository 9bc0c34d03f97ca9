"""In these tests, what is published is pushed."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch):
    """The circuit breaker of pushes is closed, whatever an earlier test did to Valkey."""
    monkeypatch.setattr("notifications.streams.push._retry_at", 0.0)
