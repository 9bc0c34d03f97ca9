"""Superuser, flights and workers for `manage.py export`."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def superuser(settings, tmp_path):
    """The only superuser."""
    from django.contrib.auth.models import User

    from tests.support.export_command import KEYS
    from tests.support.exporting import make_flights, use_folders

    use_folders(settings, tmp_path)
    make_flights(KEYS)
    return User.objects.create_superuser("person")


@pytest.fixture(autouse=True)
def enqueued(monkeypatch):
    """The ids of enqueued exports, in their order; the broker hears of none."""
    from exports.lifecycle import queue

    ids = []
    monkeypatch.setattr(queue, "enqueue", lambda export_id: ids.append(export_id) or True)
    return ids
