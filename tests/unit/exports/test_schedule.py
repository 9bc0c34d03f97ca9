"""beat runs one table of jobs, and docs/deploy.md shows it."""

from __future__ import annotations

import importlib
import re
import threading
from pathlib import Path

from celery.signals import beat_init

from config.celery import app
from config.schedule import SITE_JOBS
from exports import schedule
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


def documented(text):
    """The rows of the table below "What beat does": job, process, interval and reason."""
    section = text.partition("\n## What beat does\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+) \|$", section, re.M)


def interval(job):
    return {10: "10 seconds", 3600: "hour"}[job.seconds]


def start_beside(hindrance, monkeypatch):
    """Start `hindrance` and another job. Return their threads when the other job was called."""
    called = threading.Event()
    functions = {"hindrance": hindrance, "other": called.set}
    jobs = [schedule.Job(name, function, 3600, "") for name, function in functions.items()]
    monkeypatch.setattr(schedule, "JOBS", jobs)
    threads = schedule.start()
    wait_until(called.is_set, what="the other job is called")
    return threads


def test_documented_schedule_matches_the_module():
    text = (ROOT / "docs" / "deploy.md").read_text()

    table = [(job.name, "beat", interval(job), job.purpose) for job in schedule.JOBS]

    assert documented(text) == table


def test_job_names_are_unique():
    names = [job.name for job in schedule.JOBS]

    assert len(set(names)) == len(names)


def test_celery_app_includes_the_jobs_of_the_site():
    assert "config.schedule" in app.conf.include
    assert schedule.JOBS[-len(SITE_JOBS) :] == SITE_JOBS


def test_beat_starts_the_schedule_once(monkeypatch):
    importlib.import_module("exports.tasks")
    starts = []
    monkeypatch.setattr(schedule, "start", lambda: starts.append("schedule"))

    answers = beat_init.send(sender=None)

    assert starts == ["schedule"]
    assert len(answers) == 1


def test_slow_job_delays_no_other(monkeypatch):
    released = threading.Event()

    threads = start_beside(released.wait, monkeypatch)

    assert [thread.name for thread in threads] == ["hindrance", "other"]
    released.set()
    for thread in threads:
        thread.stop()


def test_failing_job_delays_no_other(monkeypatch):
    def fail():
        raise OSError("The database is being restarted.")

    threads = start_beside(fail, monkeypatch)

    for thread in threads:
        thread.stop()


def test_periodic_threads_are_started_in_one_place():
    starters = {
        str(path.relative_to(ROOT))
        for package in ("config", "demo", "exports", "notifications")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\bPeriodicThread\((?!threading)|beat_init", path.read_text())
    }

    assert starters == {"exports/schedule.py", "exports/tasks.py"}
