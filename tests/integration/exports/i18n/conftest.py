"""A user who exports flights, and exports in any state."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def user():
    from django.contrib.auth.models import User

    return User.objects.create_superuser("ada", password="a password of the tests")


@pytest.fixture
def make_export(user):
    from exports.models import Export

    def make(**fields):
        asked = {"owner": user, "exporter": "flights", "label": "Flights", "format": "csv"}
        fingerprint = str(Export.objects.count())
        return Export.objects.create(**{**asked, **fields}, fingerprint=fingerprint)

    return make
