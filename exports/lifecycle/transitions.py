"""The one move: an UPDATE that names the status and the attempt that it leaves.

Each is announced in the same transaction. Locks are taken in one order everywhere: owner, part,
export, streams.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db.models import F
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


@atomic()
def move(
    export: Export,
    new: Status,
    event: str,
    *,
    lines: Sequence[dict[str, Any]] = (),
    **fields: Any,
) -> None:
    """Move `export` to `new`, and say so on its streams as `event`.

    The UPDATE names the status and attempt it expects to leave, so when two processes race
    exactly one changes a row. The other gets LostRace and must look again. Raises
    IllegalMove for a move that MOVES does not have.
    """
    old = Status(export.status)
    if new not in MOVES[old]:
        raise IllegalMove(_refusal(export, new))
    here = Export.objects.filter(pk=export.pk, status=old, attempt=export.attempt)
    if not here.update(status=new, version=F("version") + 1, **fields):
        # As the status is stored: labels are in somebody's language, and this is for logs.
        raise LostRace(f"Export {export.pk} is not {old} any more.")
    reload(export)
    log.append(export, lines, is_last=new in FINAL)
    announce(export, event)


# What a person is told whose click comes too late.
_TOO_LATE = {
    Status.CANCELLING: gettext_lazy("It can no longer be cancelled."),
    Status.CANCELLED: gettext_lazy("It can no longer be cancelled."),
    Status.PAUSING: gettext_lazy("It can no longer be paused."),
    Status.PAUSED: gettext_lazy("It can no longer be paused."),
    Status.QUEUED: gettext_lazy("It can no longer be started."),
}


def _refusal(export: Export, new: Status) -> str:
    # What no click asks for is between workers, whose language is the log's.
    return it_is(export, str(_TOO_LATE.get(new, f"It can no longer become {new}.")))


def it_is(export: Export, therefore: str) -> str:
    was = Status(export.status).label.lower()
    return _("This export is %(status)s. %(therefore)s") % {"status": was, "therefore": therefore}


def asked_by(what: str, by: User | None) -> list[dict[str, Any]]:
    return [log_line(f"{what} by {by.get_username()}." if by else f"{what}.")]


@contextmanager
def locked(export: Export) -> Iterator[None]:
    """A transaction with the row of `export` locked and fresh: nobody moves it meanwhile."""
    with atomic():
        export.refresh_from_db(from_queryset=Export.objects.select_for_update())
        yield


def enqueue_after_commit(export: Export) -> None:
    export_id = export.pk
    on_commit(lambda: queue.enqueue(export_id))


def come_to_rest(export: Export, lines: Sequence[dict[str, Any]], **fields: Any) -> None:
    """Asked to pause or cancel, and nobody works on it any more."""
    fields |= {"lease_expires_at": None, "stage": Stage.NONE, "rate": None}
    if export.status == Status.PAUSING:
        move(export, Status.PAUSED, "export.paused", lines=lines, **fields)
    elif export.status == Status.CANCELLING:
        fields["finished_at"] = Now()
        move(export, Status.CANCELLED, "export.cancelled", lines=lines, **fields)


def requeue(export: Export, event: str, lines: Sequence[dict[str, Any]], **fields: Any) -> None:
    fields |= {"lease_expires_at": None, "stage": Stage.NONE, "rate": None, "queued_at": Now()}
    move(export, Status.QUEUED, event, lines=lines, **fields)
    if not export.waits_for:
        enqueue_after_commit(export)


def log_line(message: str, level: str = "INFO") -> dict[str, Any]:
    return {"level": level, "message": message, "logger": __name__}
