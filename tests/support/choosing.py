"""The page of an exporter: its addresses, a choice to post, and its text."""

from __future__ import annotations

import pytest
from django.urls import reverse

from exports.spec.spec import build_spec
from tests.support.pages import text

# On PostgreSQL a separate connection reads the rows.
committed = pytest.mark.django_db(transaction=True)

DASHBOARD = reverse("exports:dashboard")
FLIGHTS = reverse("exports:choose", args=["flights"])
LOOK = reverse("exports:preview", args=["flights"])

# The fields that a browser sends.
CHOSEN = {
    "format": "csv",
    "column": ["tailnum", "id"],
    "header-tailnum": "Plane",
    "header-id": "",
    "header-delay": "",
    "filter-arr_delay_min": "10",
    "filter-arr_delay_max": "12",
    "filter-carrier": "UA",
    "filter-tailnum": "",
}


def words(response):
    return " ".join(text(response).split())


def spec_of(user, **more):
    return build_spec(user, **{"exporter": "flights", **more})
