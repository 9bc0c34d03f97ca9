"""What /metrics says, read by the parser of Prometheus' own client."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config import request_limits
from exports.lifecycle import room
from exports.models import Export
from exports.status import Status
from notifications.delivery import watchdog
from notifications.delivery.watchdog import Blocks
from notifications.streams import push

pytestmark = pytest.mark.django_db

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
OF_THE_DATABASE = {
    "waybill_exports_active",
    "waybill_oldest_queued_seconds",
    "waybill_stored_bytes",
    "waybill_stored_bytes_limit",
    "waybill_free_bytes",
    "waybill_free_bytes_floor",
    "waybill_accepts_exports",
}


def families(client):
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in response.headers["Cache-Control"]
    return {each.name: each for each in text_string_to_metric_families(response.text)}


def values(client):
    """By name, and by the value of the label where there is one."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(client).values()
        for sample in family.samples
    }


@pytest.fixture
def export(django_user_model):
    owner = django_user_model.objects.create_user("ada")

    def make(status, **fields):
        return Export.objects.create(owner=owner, exporter="flights", status=status, **fields)

    return make


def test_active_exports_are_counted_by_status(client, export):
    for status in (Status.RUNNING, Status.PAUSED, Status.PAUSED, Status.SUCCEEDED):
        export(status)

    seen = values(client)

    active = {key[1]: value for key, value in seen.items() if key[0] == "waybill_exports_active"}
    assert active == {"queued": 0, "running": 1, "pausing": 0, "paused": 2, "cancelling": 0}


def test_age_of_the_oldest_queued_export_is_a_metric(client, export):
    assert values(client)[("waybill_oldest_queued_seconds",)] == 0

    export(Status.QUEUED, queued_at=timezone.now())
    export(Status.QUEUED, queued_at=timezone.now() - timedelta(seconds=500))

    assert 500 <= values(client)[("waybill_oldest_queued_seconds",)] < 560


def test_space_metrics_agree_with_health(client, export, settings):
    settings.EXPORTS_MAX_STORED_BYTES = 1000
    settings.EXPORTS_MIN_FREE_BYTES = 7
    export(Status.SUCCEEDED, file="exports/x/1.csv", bytes=600)

    seen, known = values(client), room.state()

    assert seen[("waybill_stored_bytes",)] == known["stored"] == 600
    assert seen[("waybill_stored_bytes_limit",)] == 1000
    assert seen[("waybill_free_bytes_floor",)] == 7
    assert seen[("waybill_accepts_exports",)] == 1
    assert {key[1] for key in seen if key[0] == "waybill_free_bytes"} == {"storage", "work"}

    settings.EXPORTS_MAX_STORED_BYTES = 600
    assert values(client)[("waybill_accepts_exports",)] == 0


def test_counters_of_the_process_are_metrics(client, monkeypatch):
    monkeypatch.setitem(request_limits.counters, "refused", 3)
    monkeypatch.setattr(push, "counters", {"sent": 11, "failed": 2, "skipped": 0})
    dog = type("Dog", (), {"blocks": Blocks(count=4, seconds=1.5)})
    monkeypatch.setattr(watchdog, "watchdogs", lambda: [dog])

    seen = values(client)

    assert seen[("waybill_requests_refused_total",)] == 3
    assert seen[("waybill_pushes_total",)] == 11
    assert seen[("waybill_pushes_failed_total",)] == 2
    assert seen[("waybill_event_loop_blocks_total",)] == 4
    assert seen[("waybill_event_loop_blocked_seconds_total",)] == 1.5
    assert seen[("waybill_file_descriptors_left",)] > 0
    assert seen[("waybill_database_up",)] == 1


def test_metrics_of_the_process_survive_a_database_outage(client, monkeypatch):
    def fail():
        raise DatabaseError("away")

    monkeypatch.setattr(room, "state", fail)

    seen = families(client)

    assert seen["waybill_database_up"].samples[0].value == 0
    assert not seen.keys() & OF_THE_DATABASE
    assert "waybill_connections" in seen


def test_documented_metrics_are_the_exported_metrics(client):
    told = {sample.name for family in families(client).values() for sample in family.samples}

    documented = re.findall(r"^\| `(waybill_\w+)", OPERATIONS.read_text(), re.MULTILINE)

    assert sorted(documented) == sorted(told)
