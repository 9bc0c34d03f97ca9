"""These tests have a real Valkey: what is pushed after a commit arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.services.valkey import Valkey


@pytest.fixture(autouse=True)
def _pushes_arrive(valkey: Valkey) -> None:
    """Each test begins with a Valkey that runs and is empty."""
