"""The browser that downloads."""

from __future__ import annotations

import pytest


@pytest.fixture
async def client(user):
    """The asynchronous browser of the test module's `user`."""
    from django.test import AsyncClient  # Needs the settings, which are not there yet.

    client = AsyncClient()
    await client.aforce_login(user)
    return client
