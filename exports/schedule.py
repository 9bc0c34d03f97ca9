"""All periodic work of the two apps. Celery's `beat_schedule` is empty: this table replaces it.

beat itself does this work. A task of `beat_schedule` would wait in the queue behind all queued
exports. Each job has a thread of its own, so that none waits for a job that is slow or fails.

`docs/deploy.md` shows the same table. A project adds jobs of its own to JOBS from a module that
its Celery app includes: see `config/schedule.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exports.conf import conf
from exports.lifecycle import prune, queue_positions, rescue
from notifications.audit import prune as audit
from notifications.inbox import mail, token_warnings
from notifications.periodic import SECONDS, PeriodicThread
from notifications.streams import prune as events

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0


@dataclass(frozen=True)
class Job:
    """A function that beat calls when it starts and then every `seconds`.

    It must be safe to run twice at once: there may be two beats, or cron beside beat.
    """

    name: str
    function: Callable[[], object]
    seconds: float
    purpose: str


def _prune_exports() -> None:
    prune.prune(conf.RETENTION_DAYS)


JOBS = [
    Job(
        "rescue_exports",
        rescue.rescue,
        SECONDS,
        "Requeues exports whose worker was lost, lets exports that waited for space go on, "
        "and enqueues exports that the broker has forgotten.",
    ),
    Job(
        "publish_queue_positions",
        queue_positions.publish_positions,
        SECONDS,
        "Tells the pages of queued exports their new positions. "
        "Each export that leaves the queue moves all exports behind it.",
    ),
    Job(
        "send_mail",
        mail.SendDueWithBackoff(),
        SECONDS,
        "Sends notifications by e-mail, so that no user and no worker waits for the mail server.",
    ),
    Job(
        "prune_exports",
        _prune_exports,
        HOUR,
        "Deletes expired files, what failed exports and killed workers have left, "
        "and exports older than `EXPORTS_RETENTION_DAYS`.",
    ),
    Job(
        "prune_events",
        events.prune_old,
        HOUR,
        "Deletes events of users and teams older than `NOTIFICATIONS_RETENTION_DAYS`.",
    ),
    Job(
        "prune_audit_trail",
        audit.prune_old,
        HOUR,
        "Deletes entries of the audit trail older than `NOTIFICATIONS_AUDIT_DAYS`.",
    ),
    Job(
        "warn_of_expiring_tokens",
        token_warnings.warn,
        HOUR,
        "Warns users a week before one of their tokens expires.",
    ),
]


def start() -> list[PeriodicThread]:
    """Start a thread for each job, and return the threads."""
    threads = [PeriodicThread(job.function, job.seconds, name=job.name) for job in JOBS]
    for thread in threads:
        thread.start()
    return threads
