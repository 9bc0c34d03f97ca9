"""The settings refuse what they cannot use, and say what they could."""

from __future__ import annotations

import re
import runpy

import pytest
from environs import EnvError

from tests.services.environment import SETTINGS, settings_in_environment

COUNTS = (
    "EXPORTS_PAGE_ROWS",
    "EXPORTS_PART_ROWS",
    "EXPORTS_LEASE_SECONDS",
    "EXPORTS_MAX_ATTEMPTS",
    "EXPORTS_LOG_LINES",
    "EXPORTS_EXPIRE_DAYS",
    "NOTIFICATIONS_WINDOW",
    "NOTIFICATIONS_RETENTION_DAYS",
    "NOTIFICATIONS_DATABASE_THREADS",
)
TIMES = ("NOTIFICATIONS_SWEEP_SECONDS", "NOTIFICATIONS_HEARTBEAT_SECONDS")
LEVELS = "Must be one of: DEBUG, INFO, WARNING, ERROR, CRITICAL."
REFUSED = [
    *(
        (name, value, "Must be greater than or equal to 1.")
        for name in COUNTS
        for value in ["0", "-5"]
    ),
    *((name, value, "Must be greater than 0.") for name in TIMES for value in ["0", "0.0", "-0.5"]),
    *((name, "many", "Not a valid") for name in (*COUNTS, *TIMES)),
    *((name, "nan", "Special numeric values") for name in TIMES),
    ("DATABASE_POOL_SIZE", "-1", "Must be greater than or equal to 0."),
    *(("LOG_LEVEL", value, LEVELS) for value in ("LOUD", "", "INFORMATION", "INFO\n")),
]
ACCEPTED = [
    *((name, "1", 1) for name in COUNTS),
    *((name, "0.5", 0.5) for name in TIMES),
    ("LOG_LEVEL", "warning", "WARNING"),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing is set but what a test sets."""
    for name in settings_in_environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    # The size of the pool is read for PostgreSQL only. Nothing connects.
    monkeypatch.setenv("DATABASE_URL", "postgres://waybill@localhost/waybill")


@pytest.mark.parametrize(("name", "value", "remedy"), REFUSED)
def test_value_of_no_use_is_refused_with_its_name_and_the_remedy(monkeypatch, name, value, remedy):
    monkeypatch.setenv(name, value)

    with pytest.raises(EnvError, match=rf'"{name}".*{re.escape(remedy)}'):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(("name", "value", "meant"), ACCEPTED)
def test_smallest_value_of_use_is_taken(monkeypatch, name, value, meant):
    monkeypatch.setenv(name, value)

    assert runpy.run_path(str(SETTINGS))[name] == meant


def test_no_pool_is_a_size_of_a_pool(monkeypatch):
    monkeypatch.setenv("DATABASE_POOL_SIZE", "0")

    assert "pool" not in runpy.run_path(str(SETTINGS))["DATABASES"]["default"]["OPTIONS"]


def test_no_number_is_forgotten_here():
    numbers = re.findall(r"env\.(?:int|float)\(\s*\"([A-Z_]+)\"", SETTINGS.read_text())

    assert sorted(numbers) == sorted((*COUNTS, *TIMES, "DATABASE_POOL_SIZE"))
