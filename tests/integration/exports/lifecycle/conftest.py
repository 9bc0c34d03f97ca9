"""What tests of the lifecycle see of the broker."""

from __future__ import annotations

import pytest


@pytest.fixture
def enqueued(monkeypatch):
    """The ids of the exports that were enqueued, in their order; the broker hears of none."""
    ids = []
    monkeypatch.setattr(
        "exports.lifecycle.queue.enqueue", lambda export_id: ids.append(export_id) or True
    )
    return ids
