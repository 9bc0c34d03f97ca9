"""The leases of a worker that lives are renewed, whatever its loop waits for."""

from __future__ import annotations

import sqlite3

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from exports.lifecycle import attempts, parts, rescue
from exports.models import Export, Part
from exports.readers.connection import Source
from exports.worker.heartbeat import Heartbeat
from tests.support.starting import start_export
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def export(settings) -> Export:
    settings.EXPORTS_LEASE_SECONDS = 1.5  # Renewed every half a second, on a busy machine too.
    user = get_user_model().objects.create_superuser("keeper")
    requested = start_export(user=user, exporter="airports")
    return attempts.claim(requested.pk, worker="w1")


def lease(row: Export | Part):
    return type(row).objects.get(pk=row.pk).lease_expires_at


@pytest.mark.proves("live-worker-keeps-its-export")
def test_waiting_worker_keeps_its_export_and_its_part(export):
    parts.save_plan(export, [Part(export=export, number=1, upto_key="ZZZ", rows=1)], 1)
    part = parts.claim(export)
    before = lease(export), lease(part)

    with Heartbeat(export) as keeper:
        keeper.parts = (part,)
        wait_until(lambda: lease(export) > before[0], what="the export's lease is renewed")
        wait_until(lambda: lease(part) > before[1], what="the part's lease is renewed")

    assert rescue.rescue()["rescued"] == 0


@pytest.mark.proves("live-worker-keeps-its-export")
def test_heartbeat_does_not_renew_a_lease_of_another_attempt(export):
    Export.objects.filter(pk=export.pk).update(attempt=export.attempt + 1)
    before = lease(export)

    parts.renew(export.pk, export.attempt)

    assert lease(export) == before


@pytest.mark.proves("live-worker-keeps-its-export")
def test_lease_without_a_heartbeat_expires(export):
    wait_until(lambda: rescue.rescue()["rescued"] == 1, what="the export is rescued")

    export.refresh_from_db()
    assert export.status == "queued"


def sessions() -> set[int]:
    """The server's sessions on this database. Threads of other tests may have kept some."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in cursor.fetchall()}


@pytest.mark.only_on("postgres")
def test_heartbeat_reconnects_after_its_connection_was_cut(export):
    before, others = lease(export), sessions()
    with Heartbeat(export):
        wait_until(lambda: lease(export) > before, what="the first renewal")
        with connection.cursor() as cursor:
            (keepers_own,) = sessions() - others
            cursor.execute("SELECT pg_terminate_backend(%s)", [keepers_own])
        cut = lease(export)

        wait_until(lambda: lease(export) > cut, what="a renewal over another connection")


@pytest.mark.only_on("sqlite")
def test_interrupting_a_closed_connection_is_harmless(monkeypatch):
    source = Source("default")
    closed = sqlite3.connect(":memory:")
    closed.close()
    monkeypatch.setattr(source.connection, "connection", closed)

    source.interrupt()
