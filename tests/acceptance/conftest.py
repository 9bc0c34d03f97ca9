"""Waybill as a whole: its own processes, met from the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.visitor import Visitor

if TYPE_CHECKING:
    from tests.services.waybill import Server

PASSWORD = "a password of the tests"


@pytest.fixture
def visitor(server: Server) -> Visitor:
    """Somebody who has signed in, and may do everything."""
    from django.contrib.auth.models import User

    User.objects.create_superuser("demo", password=PASSWORD)
    visitor = Visitor(server)
    visitor.sign_in("demo", PASSWORD)
    return visitor
