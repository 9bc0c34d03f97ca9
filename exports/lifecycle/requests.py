"""The requests of users: start, cancel, pause, resume or retry an export, or run it again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from exports import log
from exports.audit.record import record_action, record_start
from exports.exceptions import IllegalMove, NotPermitted, OverLimit, RequestError
from exports.i18n.message import Message
from exports.lifecycle import limits
from exports.lifecycle.announce import announce
from exports.lifecycle.leases import Now
from exports.lifecycle.transitions import (
    enqueue_after_commit,
    locked,
    move,
    request_lines,
    with_status,
)
from exports.models import RELATED, Export
from exports.serialize import reload
from exports.spec import refusals
from exports.spec.spec import rebuild_spec
from exports.status import FINAL, Status, Wait
from notifications.audit_actions import Action
from notifications.writing import atomic

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from django.contrib.auth.models import User

    from exports.lifecycle.transitions import Lines
    from exports.spec.spec import ExportSpec


def start(spec: ExportSpec, *, enqueue: bool = True) -> tuple[Export, bool]:
    """Create an export for `spec.owner` and enqueue it; return `(export, created)`.

    If an identical export of theirs is still active, return that one with `created=False`. Raises
    OverLimit when they have reached a limit of requests, of refused requests or of stored bytes.
    A caller that claims the export in the same transaction passes `enqueue=False`.
    """
    with refusals.count_refusals(spec.owner):
        return _get_or_create(spec, enqueue=enqueue)


def retry(export: Export, *, by: User | None = None) -> tuple[Export, bool]:
    """Start a failed or cancelled export again, for its owner, from the same spec.

    Return `(export, created)`, and raise errors, like `start`. The owner's rights and limits are
    checked again.
    """
    return _repeat(
        export,
        {Status.FAILED, Status.CANCELLED},
        by,
        _("Only failed or cancelled exports can be retried. Finished exports can be run again."),
    )


def run_again(export: Export, *, by: User | None = None) -> tuple[Export, bool]:
    """Start a succeeded export again, like `retry`, whether or not its file has expired."""
    return _repeat(
        export,
        {Status.SUCCEEDED},
        by,
        _("Only finished exports can be run again. Failed or cancelled exports can be retried."),
    )


def _repeat(
    export: Export, statuses: Container[Status], by: User | None, advice: str
) -> tuple[Export, bool]:
    reload(export)  # No lock is needed, because `statuses` are final.
    if Status(export.status) not in statuses:
        raise IllegalMove(with_status(export, advice))
    lines = request_lines(f"Repeats export {export.pk}, requested", by)
    with refusals.count_refusals(by or export.owner), _prefix_errors_for(export.owner, by):
        return _get_or_create(rebuild_spec(export), origin=export, lines=lines, by=by)


@contextmanager
def _prefix_errors_for(owner: User, by: User | None) -> Iterator[None]:
    """Prefix error messages with the owner's name when another user acts for them."""
    try:
        yield
    except (NotPermitted, OverLimit, RequestError) as error:
        if by is not None and by.pk != owner.pk:
            name, message = owner.get_username(), error.args[0]
            error.args = (Message("For %(owner)s: %(error)s", owner=name, error=message),)
        raise


def _get_or_create(spec: ExportSpec, **new: Any) -> tuple[Export, bool]:
    try:
        return _find_or_create(spec, **new)
    except IntegrityError:
        # Another process has just saved an identical export without taking the lock. The second
        # try finds it, or creates ours if that one has already ended.
        return _find_or_create(spec, **new)


@atomic()
def _find_or_create(
    spec: ExportSpec,
    *,
    origin: Export | None = None,
    lines: Lines = (),
    enqueue: bool = True,
    by: User | None = None,
) -> tuple[Export, bool]:
    limits.lock(spec.owner)
    if duplicate := _active_duplicate(spec):
        return duplicate, False
    limits.check_request(spec.owner)
    export = Export.objects.create(**spec.fields, origin=origin)
    # The defaults of these fields come from the clock of this host, not of the database.
    Export.objects.filter(pk=export.pk).update(created_at=Now(), queued_at=Now())
    reload(export)
    log.append(export, lines)
    announce(export, "export.queued")
    record_start(export, by=by)
    if enqueue:
        enqueue_after_commit(export)
    return export, True


def _active_duplicate(spec: ExportSpec) -> Export | None:
    same = Export.objects.filter(owner=spec.owner, fingerprint=spec.fingerprint)
    return same.exclude(status__in=FINAL).select_related(*RELATED).first()


def cancel(export: Export, *, by: User | None = None) -> None:
    """Cancel the export: at once if no worker holds it, otherwise when the worker notices.

    Like `pause` and `resume`, it writes the user `by` into the log and the audit trail.
    """
    lines = request_lines("Cancelled", by)
    with locked(export):
        if export.status == Status.CANCELLING:
            return  # A second request changes nothing.
        if export.status in {Status.RUNNING, Status.PAUSING}:
            move(export, Status.CANCELLING, lines=lines)
        else:
            move(export, Status.CANCELLED, lines=lines, finished_at=Now())
        record_action(Action.EXPORT_CANCELLED, export, by=by)


def pause(export: Export, *, by: User | None = None) -> None:
    """Pause the export until it is resumed, and keep its finished parts."""
    lines = request_lines("Paused", by)
    with locked(export):
        if export.status in {Status.PAUSING, Status.PAUSED}:
            return
        is_running = export.status == Status.RUNNING
        move(export, Status.PAUSING if is_running else Status.PAUSED, lines=lines)
        record_action(Action.EXPORT_PAUSED, export, by=by)


def resume(export: Export, *, by: User | None = None) -> None:
    """Put a paused export back in the queue."""
    with locked(export):
        if export.status != Status.PAUSED:
            # MOVES allows running -> queued, but only workers may make that move.
            raise IllegalMove(with_status(export, _("Only paused exports can be resumed.")))
        if export.resumes >= limits.MAX_RESUMES:
            advice = _("It has been resumed too many times. Cancel it, and start a new export.")
            raise IllegalMove(with_status(export, advice))
        move(
            export,
            Status.QUEUED,
            lines=request_lines("Resumed", by),
            queued_at=Now(),
            waits_for=Wait.NOTHING,
            resumes=export.resumes + 1,
        )
        record_action(Action.EXPORT_RESUMED, export, by=by)
        enqueue_after_commit(export)
