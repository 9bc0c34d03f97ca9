"""What tests of streams see of pushes."""

from __future__ import annotations

import pytest


@pytest.fixture
def pushed(monkeypatch):
    """The messages that were pushed, as (group, message), instead of sending them."""
    outgoing = []

    async def keep(messages):
        outgoing.extend(messages.items())

    monkeypatch.setattr("notifications.streams.push._send", keep)
    return outgoing
