"""The snapshot: one shape for pages, API and sockets, in plain JSON types."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from exports import lifecycle
from exports.lifecycle import attempts, parts
from exports.models import Export
from exports.serialize import snapshot
from exports.status import Status
from tests.support.exporting import force_status, request, retained, start

pytestmark = pytest.mark.django_db

MOMENT = datetime(2013, 1, 1, 10, 0, 0, 250_000, tzinfo=UTC)


def test_snapshot_has_exactly_these_fields(superuser):
    assert list(snapshot(request(superuser))) == [
        "id",
        "owner",
        "team",
        "exporter",
        "label",
        "format",
        "options",
        "consistency",
        "origin",
        "status",
        "stage",
        "waits_for",
        "rows_done",
        "rows_again",
        "rows_total",
        "rows_added",
        "rows_removed",
        "assembled",
        "bytes",
        "protected_cells",
        "rate",
        "eta",
        "attempt",
        "version",
        "queue_position",
        "created_at",
        "started_at",
        "finished_at",
        "read_from",
        "read_until",
        "expires_at",
        "error",
        "links",
    ]


def test_snapshot_of_a_new_export_has_the_request_only(superuser):
    export = request(superuser, format="jsonl", options={"gzip": True}, label="In January")
    export.created_at = MOMENT

    found = snapshot(export)

    assert found == {
        "id": str(export.pk),
        "owner": {"username": "person", "name": "person"},
        "team": None,
        "exporter": "flights",
        "label": "In January",
        "format": "jsonl",
        "options": {"gzip": True},
        "consistency": "row",
        "origin": None,
        "status": "queued",
        "stage": "",
        "waits_for": "",
        "rows_done": 0,
        "rows_again": 0,
        "rows_total": None,
        "rows_added": 0,
        "rows_removed": 0,
        "assembled": None,
        "bytes": 0,
        "protected_cells": 0,
        "rate": None,
        "eta": None,
        "attempt": 0,
        "version": 1,
        "queue_position": 1,
        "created_at": "2013-01-01T10:00:00.250000+00:00",
        "started_at": None,
        "finished_at": None,
        "read_from": None,
        "read_until": None,
        "expires_at": None,
        "error": "",
        "links": {"self": f"/exports/{export.pk}/", "download": None},
    }


def test_snapshot_offers_the_file_until_it_expires(superuser):
    expires = timezone.now() + timedelta(days=7)
    export = force_status(
        request(superuser),
        Status.SUCCEEDED,
        file="a",
        bytes=900,
        rows_done=30,
        rows_total=30,
        finished_at=MOMENT,
        expires_at=expires,
        protected_cells=12,
        read_from=MOMENT - timedelta(seconds=9),
        read_until=MOMENT,
    )

    found = snapshot(export)

    assert found["links"]["download"] == f"/exports/{export.pk}/file"
    assert found["finished_at"] == "2013-01-01T10:00:00.250000+00:00"
    assert found["expires_at"] == expires.isoformat()
    assert (found["rows_done"], found["bytes"], found["protected_cells"]) == (30, 900, 12)
    assert found["read_from"] == "2013-01-01T09:59:51.250000+00:00"
    assert found["read_until"] == "2013-01-01T10:00:00.250000+00:00"
    export.expires_at = timezone.now()
    assert snapshot(export)["links"]["download"] is None


def test_snapshot_of_a_failed_export_has_the_reason(superuser):
    export = start(superuser)
    attempts.fail(export, "The disk is full.")

    found = snapshot(export)

    assert (found["status"], found["error"]) == ("failed", "The disk is full.")


@pytest.mark.parametrize("status", Status)
def test_snapshot_is_json_serializable(superuser, status):
    export = force_status(
        request(superuser), status, started_at=MOMENT, expires_at=MOMENT, rate=1 / 3, rows_total=10
    )

    assert json.loads(json.dumps(snapshot(export))) == snapshot(export)


@pytest.mark.parametrize(
    ("status", "rate", "done", "total", "eta"),
    [
        ("running", 100.0, 0, 1_000, 10.0),
        ("running", 100.0, 999, 1_000, 0.0),
        ("running", 3.0, 0, 1_000, 333.3),
        ("running", 100.0, 1_000, 1_000, 0.0),
        ("running", 100.0, 1_100, 1_000, 0.0),  # More rows than were counted: there are new ones.
        ("running", None, 0, 1_000, None),
        ("running", 0.0, 0, 1_000, None),
        ("running", 100.0, 0, None, None),
        ("queued", 100.0, 0, 1_000, None),
        ("pausing", 100.0, 0, 1_000, None),
        ("succeeded", 100.0, 1_000, 1_000, None),
    ],
)
def test_eta_is_the_remaining_rows_at_the_current_rate(
    superuser, *, status, rate, done, total, eta
):
    export = force_status(request(superuser), status, rate=rate, rows_done=done, rows_total=total)

    assert snapshot(export)["eta"] == eta


def test_eta_during_assembly_is_the_rest_of_the_assembly(superuser):
    fields = {"rate": 100.0, "rows_done": 1_000, "rows_total": 1_000, "assembled": 0.25}
    export = force_status(request(superuser), Status.RUNNING, stage="assembling", **fields)

    found = snapshot(export)

    assert (found["assembled"], found["eta"]) == (0.25, 7.5)


def test_rate_has_one_decimal(superuser):
    assert snapshot(force_status(request(superuser), "running", rate=1234.5678))["rate"] == 1234.6


def test_queue_position_counts_earlier_queued_exports(superuser):
    exports = [request(superuser) for _ in range(4)]
    for number, export in enumerate(exports):
        Export.objects.filter(pk=export.pk).update(queued_at=MOMENT + timedelta(seconds=number))
    force_status(exports[1], Status.RUNNING)
    for export in exports:
        export.refresh_from_db()

    assert [snapshot(export)["queue_position"] for export in exports] == [1, None, 2, 3]


def test_queue_position_does_not_depend_on_owner_or_exporter(superuser):
    other = User.objects.create_superuser("other")
    request(other, exporter="planes", columns=None)

    assert snapshot(request(superuser))["queue_position"] == 2


def test_each_announced_change_has_the_next_version(superuser):
    export = start(superuser)
    versions = []

    def told():
        versions.append({retained(each, export.key)["version"] for each in streams})

    streams = (export.stream, export.owner_stream)
    told()
    parts.save_plan(export, [], 0)
    told()
    for _ in range(2):
        parts.tick(export)
        told()
    for ask in (lifecycle.pause, attempts.finish_stopping, lifecycle.resume, lifecycle.cancel):
        ask(export)
        told()

    # 1 was the request.
    assert versions == [{number} for number in range(2, 10)]
    assert snapshot(Export.objects.get())["version"] == 9


def test_rolled_back_change_takes_no_version(superuser):
    export = request(superuser)

    with transaction.atomic():
        lifecycle.pause(export)
        transaction.set_rollback(True)
    lifecycle.cancel(export)

    assert retained(export.owner_stream, export.key)["version"] == 2
