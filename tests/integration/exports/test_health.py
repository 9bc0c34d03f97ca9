"""Health says what answers and what does not, soon, and without naming hosts."""

from __future__ import annotations

import time

import pytest
from django.db import OperationalError, connection

from config import health

pytestmark = pytest.mark.django_db


@pytest.fixture
def a_worker(monkeypatch):
    """A worker seems to answer."""
    monkeypatch.setitem(health.CHECKS, "worker", lambda: "ok")


def test_liveness_does_not_depend_on_other_services(client, valkey):
    valkey.kill()

    response = client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
def test_site_is_ready_with_database_redis_and_worker(client, worker):
    response = client.get("/health/ready")

    body = response.json()
    assert body["space"]["lacking"] == ""
    assert (body["status"], body["checks"]) == (
        "ok",
        {"database": "ok", "redis": "ok", "worker": "ok"},
    )
    assert response.status_code == 200


def test_missing_worker_makes_the_site_not_ready(client, monkeypatch):
    monkeypatch.setattr(health, "WORKER_TIMEOUT", 0.1)

    response = client.get("/health/ready")

    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["checks"]) == (
        "not ready",
        {"database": "ok", "redis": "ok", "worker": "no worker answered"},
    )


def test_stopped_redis_makes_the_site_not_ready_quickly(client, valkey):
    valkey.kill()
    began = time.monotonic()

    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["checks"] == {
        "database": "ok",
        "redis": "no answer (ConnectionError)",
        "worker": "no answer (ConnectionError)",
    }
    assert time.monotonic() - began < 15


def test_hanging_redis_makes_the_site_not_ready_within_seconds(client, valkey, monkeypatch):
    monkeypatch.setattr(health, "REDIS_TIMEOUT", 0.2)
    valkey.freeze()
    began = time.monotonic()

    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["checks"]["redis"] == "no answer (TimeoutError)"
    assert time.monotonic() - began < 15


@pytest.mark.usefixtures("a_worker")
def test_database_outage_makes_the_site_not_ready_without_hosts(client):
    def refuse(*_):
        raise OperationalError('connection to server at "db.internal" failed: user "waybill"')

    with connection.execute_wrapper(refuse):
        response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["checks"] == {
        "database": "no answer (OperationalError)",
        "redis": "ok",
        "worker": "ok",
    }


def test_health_needs_no_sign_in_and_sets_no_cookie(client):
    assert not client.get("/health/live").cookies


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_never_served_from_a_cache(client, path, monkeypatch):
    monkeypatch.setattr(health, "WORKER_TIMEOUT", 0.1)

    assert "no-store" in client.get(path)["Cache-Control"]
