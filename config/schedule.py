"""Periodic work that only this site needs, added to `exports.schedule`."""

from __future__ import annotations

from config.celery import app
from config.signin.prune import prune as prune_sign_ins
from config.signin.prune import prune_sessions
from exports.schedule import HOUR, JOBS, Job


def _prune_task_results() -> None:
    app.backend.cleanup()


SITE_JOBS = [
    Job(
        "prune_sign_ins",
        prune_sign_ins,
        HOUR,
        "Deletes records of sign-ins that no longer count towards a lockout or a warning.",
    ),
    Job(
        "prune_sessions",
        prune_sessions,
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
