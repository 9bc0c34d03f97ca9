"""The rows that tests of specs choose from."""

from __future__ import annotations

import pytest


@pytest.fixture
def flights():
    from tests.support.exporting import make_flights  # Needs the apps, which are loaded later.

    return make_flights(range(1, 31))
