"""Moves of an export: each is one UPDATE that names the status and attempt it expects to leave.

A move is published in the same transaction. All code takes locks in the same order: owner, part,
export, streams.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from exports import log
from exports.exceptions import IllegalMove, LostRace
from exports.lifecycle import queue
from exports.lifecycle.announce import announce
from exports.lifecycle.leases import Now
from exports.models import Export
from exports.serialize import reload
from exports.status import FINAL, MOVES, Stage, Status
from notifications.writing import atomic, on_commit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.contrib.auth.models import User

    Lines = Sequence[dict[str, Any]]  # For `log.append`.


@atomic()
def move(export: Export, new: Status, *, event: str = "", lines: Lines = (), **fields: Any) -> None:
    """Move `export` to `new`, and publish that on its streams, by default as "export.<new>".

    The UPDATE names the status and attempt it expects to leave, so when two processes race, exactly
    one changes a row. The other gets LostRace and must read the export again. Raises IllegalMove
    for a move that is not in MOVES.
    """
    old = Status(export.status)
    if new not in MOVES[old]:
        raise IllegalMove(_why_illegal(export, new))
    expected = Export.objects.filter(pk=export.pk, status=old, attempt=export.attempt)
    if not expected.update(status=new, version=F("version") + 1, **fields):
        # For logs, so it has the stored status. The label depends on the language.
        raise LostRace(f"Export {export.pk} is not {old} any more.")
    reload(export)
    log.append(export, lines, is_last=new in FINAL)
    announce(export, event or f"export.{new}")


# Messages for users whose click came too late.
_TOO_LATE = {
    Status.CANCELLING: gettext_lazy("It can no longer be cancelled."),
    Status.CANCELLED: gettext_lazy("It can no longer be cancelled."),
    Status.PAUSING: gettext_lazy("It can no longer be paused."),
    Status.PAUSED: gettext_lazy("It can no longer be paused."),
    Status.QUEUED: gettext_lazy("It can no longer be started."),
}


def _why_illegal(export: Export, new: Status) -> str:
    # Users request only the moves in `_TOO_LATE`. The message of any other move is for logs.
    return with_status(export, str(_TOO_LATE.get(new, f"It can no longer become {new}.")))


def with_status(export: Export, therefore: str) -> str:
    """Return a sentence with the status of `export`, followed by the sentence `therefore`."""
    status = Status(export.status).label.lower()
    values = {"status": status, "therefore": therefore}
    return _("This export is %(status)s. %(therefore)s") % values


@atomic()
def update_queued(export: Export, *conditions: Q, **fields: Any) -> bool:
    """Update and publish `export` if it is queued and meets `conditions`. Return whether it did."""
    expected = Export.objects.filter(*conditions, pk=export.pk, status=Status.QUEUED)
    if not expected.update(version=F("version") + 1, **fields):
        return False
    reload(export)
    announce(export)
    return True


def request_lines(action: str, by: User | None) -> list[dict[str, Any]]:
    """Return the log lines of a request: the `action`, and the user who requested it."""
    return [log_line(f"{action} by {by.get_username()}." if by else f"{action}.")]


@contextmanager
def locked(export: Export) -> Iterator[None]:
    """Open a transaction, lock the row of `export` and reload it. No other process can move it."""
    with atomic():
        export.refresh_from_db(from_queryset=Export.objects.select_for_update())
        yield


def enqueue_after_commit(export: Export) -> None:
    """Send a message to the workers once the transaction is committed."""
    export_id = export.pk
    on_commit(lambda: queue.enqueue(export_id))


def come_to_rest(export: Export, lines: Lines, **fields: Any) -> None:
    """Complete a pause or a cancel, because no worker works on the export any more."""
    fields |= {"lease_expires_at": None, "stage": Stage.NONE, "rate": None}
    if export.status == Status.PAUSING:
        move(export, Status.PAUSED, lines=lines, **fields)
    elif export.status == Status.CANCELLING:
        move(export, Status.CANCELLED, lines=lines, finished_at=Now(), **fields)


def requeue(export: Export, lines: Lines, **fields: Any) -> None:
    """Put a running export back at the end of the queue. `fields` are for `move`."""
    fields |= {"lease_expires_at": None, "stage": Stage.NONE, "rate": None, "queued_at": Now()}
    move(export, Status.QUEUED, lines=lines, **fields)
    if not export.waits_for:
        enqueue_after_commit(export)


def log_line(message: str, level: str = "INFO") -> dict[str, Any]:
    """Return a line for `log.append`."""
    return {"level": level, "message": message, "logger": __name__}
