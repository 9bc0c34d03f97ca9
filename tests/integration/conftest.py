"""These tests have a real Valkey: what is pushed after a commit arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import translation

from exports import refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.valkey import Valkey


@pytest.fixture(autouse=True)
def _pushes_arrive(valkey: Valkey) -> None:
    """Each test begins with a Valkey that runs and is empty."""


@pytest.fixture(autouse=True)
def _no_refusal_is_remembered() -> None:
    """This process remembers them by the keys of users, which are the same in each test."""
    refusals.clear()


@pytest.fixture(autouse=True)
def _no_language_is_left() -> Iterator[None]:
    """A request leaves its language in the thread that answered it: with a client, the test's."""
    yield
    translation.deactivate()
