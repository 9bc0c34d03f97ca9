"""Folders, workers and queued exports for tests of room."""

from __future__ import annotations

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture
def enqueued(monkeypatch):
    """The ids of enqueued exports, in their order. The broker knows of no message."""
    from django.utils import timezone

    from exports.lifecycle import queue
    from exports.models import Export

    ids: list = []

    def enqueue(export_id):
        ids.append(export_id)
        Export.objects.filter(pk=export_id).update(enqueued_at=timezone.now())
        return True

    monkeypatch.setattr(queue, "enqueue", enqueue)
    monkeypatch.setattr(queue, "message_count", lambda *_: 0)
    return ids


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, enqueued):
    from tests.support import exporting
    from tests.support.exporting import registered
    from tests.support.watched import Watched

    settings.EXPORTS_PARALLEL = 0
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4
    exporting.use_folders(settings, tmp_path)
    with registered(Watched):
        yield tmp_path
