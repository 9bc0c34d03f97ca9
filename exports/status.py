"""The statuses of an export, and the moves between them that are legal. No tables, no I/O."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    QUEUED = "queued", _("Queued")  # Saved. No worker has claimed it yet.
    RUNNING = "running", _("Running")  # A worker holds it and is writing rows.
    PAUSING = "pausing", _("Pausing")  # Asked to pause; the worker has not noticed yet.
    PAUSED = "paused", _("Paused")  # At rest, its finished parts kept.
    CANCELLING = "cancelling", _("Cancelling")  # Asked to stop; the worker has not noticed yet.
    CANCELLED = "cancelled", _("Cancelled")  # Stopped by a person.
    SUCCEEDED = "succeeded", _("Succeeded")  # The file is complete.
    FAILED = "failed", _("Failed")  # It cannot go on; `error` says why.


# Every move that an export may make, and what causes it. Nothing else may happen:
# lifecycle.transitions.move() is the only code that writes Export.status.
MOVES: dict[Status, frozenset[Status]] = {
    # queued -> running: a worker claims it.
    # queued -> paused, queued -> cancelled: asked; nobody has started, so nothing to wait for.
    Status.QUEUED: frozenset({Status.RUNNING, Status.PAUSED, Status.CANCELLED}),
    # running -> succeeded: the file is complete and its row count is right.
    # running -> failed: the exporter raised, the file cannot be stored or would be wrong, a limit
    # was passed, the owner lost the right, or the last of several workers was lost on it.
    # running -> pausing, running -> cancelling: asked; the worker sees it at its next tick.
    # running -> queued: the worker was told to shut down, or was lost, or gives way to others, or
    # there is no room to write. Finished parts are kept.
    Status.RUNNING: frozenset(
        {Status.SUCCEEDED, Status.FAILED, Status.PAUSING, Status.CANCELLING, Status.QUEUED}
    ),
    # pausing -> paused: the worker has noticed, or was lost.
    # pausing -> cancelling: asked again, and meant it.
    Status.PAUSING: frozenset({Status.PAUSED, Status.CANCELLING}),
    # paused -> queued: resumed.
    # paused -> cancelled: asked; nobody is working on it.
    Status.PAUSED: frozenset({Status.QUEUED, Status.CANCELLED}),
    # cancelling -> cancelled: the worker has noticed, or was lost.
    Status.CANCELLING: frozenset({Status.CANCELLED}),
    # At rest for good. A retry is a new export that names its origin.
    Status.CANCELLED: frozenset(),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
}

FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
# A worker holds an export in one of these, and its lease says for how long.
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
