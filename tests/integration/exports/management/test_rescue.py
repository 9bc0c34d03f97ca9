"""`manage.py rescue_exports`: what beat does, once, and what it did."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from exports.lifecycle import queue
from tests.support.exporting import expire_lease, request, start

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def enqueued(monkeypatch):
    """The ids of enqueued exports, in their order; the broker hears of none."""
    ids = []
    monkeypatch.setattr(queue, "enqueue", lambda export_id: ids.append(export_id) or True)
    monkeypatch.setattr(queue, "message_count", lambda: None)
    return ids


def rescue_exports(*arguments):
    out = StringIO()
    call_command("rescue_exports", *arguments, stdout=out)
    return out.getvalue()


def test_command_prints_rescued_counts(superuser, enqueued):
    lost = expire_lease(start(superuser))
    forgotten = request(superuser)

    said = rescue_exports()

    lost.refresh_from_db()
    assert said == "Rescued 1, failed 0, settled 0, enqueued 2.\n"
    assert lost.status == "queued"
    assert set(enqueued) == {lost.pk, forgotten.pk}


def test_command_prints_zeros_without_work():
    assert rescue_exports() == "Rescued 0, failed 0, settled 0, enqueued 0.\n"


def test_json_output_has_the_counts(superuser):
    expire_lease(start(superuser))

    assert json.loads(rescue_exports("--json")) == {
        "rescued": 1,
        "failed": 0,
        "settled": 0,
        "enqueued": 1,
    }
