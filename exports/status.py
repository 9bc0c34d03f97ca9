"""The statuses of an export, and the legal moves between them. No tables, no I/O."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    QUEUED = "queued", _("Queued")  # Saved. No worker has claimed it yet.
    RUNNING = "running", _("Running")  # A worker holds it and is writing rows.
    PAUSING = "pausing", _("Pausing")  # A user paused it; the worker has not noticed yet.
    PAUSED = "paused", _("Paused")  # No worker holds it. Finished parts are kept.
    CANCELLING = "cancelling", _("Cancelling")  # A user cancelled it; the worker has not noticed.
    CANCELLED = "cancelled", _("Cancelled")  # A user cancelled it, and it has stopped.
    SUCCEEDED = "succeeded", _("Succeeded")  # The file is complete.
    FAILED = "failed", _("Failed")  # It cannot continue; `error` says why.


# Every legal move, and what causes it. No other move can happen, because
# lifecycle.transitions.move() is the only code that writes Export.status.
MOVES: dict[Status, frozenset[Status]] = {
    # queued -> running: a worker claims it.
    # queued -> paused, queued -> cancelled: a user paused or cancelled it before a worker began.
    Status.QUEUED: frozenset({Status.RUNNING, Status.PAUSED, Status.CANCELLED}),
    # running -> succeeded: the file is complete and its row count is right.
    # running -> failed: the exporter raised an error, the file cannot be stored or would be wrong,
    # a limit was exceeded, the owner lost the permission, or the last allowed worker was lost.
    # running -> pausing, running -> cancelling: a user paused or cancelled it. The worker notices
    # at its next tick.
    # running -> queued: the worker shuts down, was lost, or yields to other exports, or there is
    # no room for files. Finished parts are kept.
    Status.RUNNING: frozenset(
        {Status.SUCCEEDED, Status.FAILED, Status.PAUSING, Status.CANCELLING, Status.QUEUED}
    ),
    # pausing -> paused: the worker has noticed, or was lost.
    # pausing -> cancelling: a user cancelled it meanwhile.
    Status.PAUSING: frozenset({Status.PAUSED, Status.CANCELLING}),
    # paused -> queued: a user resumed it.
    # paused -> cancelled: a user cancelled it. No worker holds it, so it stops at once.
    Status.PAUSED: frozenset({Status.QUEUED, Status.CANCELLED}),
    # cancelling -> cancelled: the worker has noticed, or was lost.
    Status.CANCELLING: frozenset({Status.CANCELLED}),
    # These are final. A retry is a new export that names its origin.
    Status.CANCELLED: frozenset(),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
}

FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
# A worker holds an export with one of these statuses until its lease expires.
HELD = frozenset({Status.RUNNING, Status.PAUSING, Status.CANCELLING})


class Stage(models.TextChoices):
    """What a worker is doing with a running export."""

    NONE = "", ""
    COUNTING = "counting", _("Counting rows")
    EXTRACTING = "extracting", _("Extracting rows")
    ASSEMBLING = "assembling", _("Assembling the file")


class Wait(models.TextChoices):
    """What a queued export waits for besides a worker."""

    NOTHING = "", ""
    SPACE = "space", _("Waiting for disk space")
