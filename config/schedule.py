"""Periodic work that only this site needs, added to `exports.schedule`."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings

from config.celery import app
from config.signin import throttle
from exports.schedule import HOUR, JOBS, Job


def _prune_sessions() -> None:
    """Delete expired sessions from the store of SESSION_ENGINE."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def _prune_task_results() -> None:
    app.backend.cleanup()


SITE_JOBS = [
    Job(
        "prune_sign_ins",
        throttle.prune,
        HOUR,
        "Deletes records of sign-ins that no longer count towards a lockout or a warning.",
    ),
    Job(
        "prune_sessions",
        _prune_sessions,
        HOUR,
        "Deletes expired sessions. Django leaves them in the database.",
    ),
    Job(
        "prune_task_results",
        _prune_task_results,
        HOUR,
        "Deletes expired task results. Celery's own nightly task would wait behind queued "
        "exports, and is dropped after twelve hours.",
    ),
]

JOBS.extend(SITE_JOBS)
