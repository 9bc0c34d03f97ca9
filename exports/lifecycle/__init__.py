"""The life of an export: the only code that writes `Export.status`.

Each move is a conditional UPDATE that names the status and the attempt it leaves, and is
announced in the same transaction. Locks are taken in one order everywhere: owner, part,
export, streams.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from exports.audit.record import record_action, record_start
from exports.conf import conf
from exports.exceptions import (
    Fenced,
    IllegalMove,
    LostRace,
    NotPermitted,
    OverLimit,
    RequestError,
    Waits,
)
from exports.i18n.localize import recalled, written
from exports.i18n.message import Sentence
from exports.lifecycle import limits, parts, queue, refusals, room
from exports.lifecycle.announce import announce
from exports.lifecycle.leases import Now, until
from exports.log.append import capped, counted
from exports.models import NAMED, Export, Part, TaskRun
from exports.serialize import reload
from exports.spec import spec
from exports.status import FINAL, HELD, MOVES, Stage, Status, Wait
from notifications.audit.actions import Action
from notifications.models import Retained
from notifications.writing import atomic, on_commit

if TYPE_CHECKING:
    import uuid
    from collections.abc import Container, Iterable, Iterator, Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from exports.spec.spec import Question


# Log lines that the last move keeps though the log is full: they say how it ended.
LAST_LINES = 5

# An export that was enqueued this long ago, and is not among the messages that wait, may be
# with a worker that has not claimed it yet, or lost. Enqueued again, it is claimed once.
FORGOTTEN_SECONDS = 5


# -- The one move --------------------------------------------------------------------


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
    kept = capped(export, lines, keep_last=LAST_LINES if new in FINAL else 0)
    fields |= {**counted(lines), "version": F("version") + 1}
    if not here.update(status=new, **fields):
        # As the status is stored: labels are in somebody's language, and this is for logs.
        raise LostRace(f"Export {export.pk} is not {old} any more.")
    reload(export)
    announce(export, event, lines=kept)


# What a person is told whose click comes too late.
_TOO_LATE = {
    Status.CANCELLING: gettext_lazy("It cannot be cancelled any more."),
    Status.CANCELLED: gettext_lazy("It cannot be cancelled any more."),
    Status.PAUSING: gettext_lazy("It cannot be paused any more."),
    Status.PAUSED: gettext_lazy("It cannot be paused any more."),
    Status.QUEUED: gettext_lazy("It cannot be started any more."),
}


def _refusal(export: Export, new: Status) -> str:
    # What no click asks for is between workers, whose language is the log's.
    return _it_is(export, str(_TOO_LATE.get(new, f"It cannot become {new} any more.")))


def _it_is(export: Export, therefore: str) -> str:
    was = Status(export.status).label.lower()
    return _("This export is %(status)s. %(therefore)s") % {"status": was, "therefore": therefore}


# -- What people ask for -------------------------------------------------------------


def request(*, user: User, exporter: str, **asked: Any) -> Export:
    """As `request_once`, for who need not know whether the export is a new one."""
    return request_once(user=user, exporter=exporter, **asked)[0]


def request_once(
    *, user: User, exporter: str, enqueue: bool = True, **asked: Any
) -> tuple[Export, bool]:
    """Save a new export for `user` and queue it; True. Nothing is counted or read yet.

    While an export of the same question of theirs is under way, that one; False. `asked` is
    what `question.checked` takes, which raises RequestError, naming the field that is wrong,
    or NotPermitted. `team`, the id of one of theirs, sees the export, too; its rows are still
    those that `user` may see. Raises OverLimit when they have reached a limit of requests,
    of refused requests or of stored bytes.
    Who claims it in the same transaction says `enqueue=False`: no worker needs to hear of it.
    """
    with refusals.counted(user):
        return _only_one(spec.checked(user, exporter=exporter, **asked), enqueue=enqueue)


def retry(export: Export, *, by: User | None = None) -> tuple[Export, bool]:
    """Ask the question of a failed or cancelled export again, for its owner, as it was asked.

    Returns and raises as `request_once`; what the owner may do and have is asked anew.
    """
    return _repeat(
        export,
        {Status.FAILED, Status.CANCELLED},
        by,
        _(
            "Only a failed or cancelled one can be retried; one that has succeeded can be "
            "run again."
        ),
    )


def run_again(export: Export, *, by: User | None = None) -> tuple[Export, bool]:
    """As `retry`, for an export that has succeeded, whether or not its file has expired."""
    return _repeat(
        export,
        {Status.SUCCEEDED},
        by,
        _(
            "Only one that has succeeded can be run again; a failed or cancelled one can be "
            "retried."
        ),
    )


def _repeat(
    export: Export, from_: Container[Status], by: User | None, otherwise: str
) -> tuple[Export, bool]:
    reload(export)  # Not locked: from where it may be repeated, it moves no more.
    if Status(export.status) not in from_:
        raise IllegalMove(_it_is(export, otherwise))
    lines = _asked(f"Repeats the export {export.pk}, as asked", by)
    with refusals.counted(by or export.owner), _in_the_name_of(export.owner, by):
        return _only_one(spec.again(export), origin=export, lines=lines, by=by)


@contextmanager
def _in_the_name_of(owner: User, by: User | None) -> Iterator[None]:
    """What `owner` would be told is said to `by`, with the name of who is meant."""
    try:
        yield
    except (NotPermitted, OverLimit, RequestError) as error:
        if by is not None and by.pk != owner.pk:
            told = {"owner": owner.get_username(), "error": error}
            error.args = (_("%(owner)s would be told: %(error)s") % told,)
        raise


def _only_one(asked: Question, **new: Any) -> tuple[Export, bool]:
    try:
        return _found_or_saved(asked, **new)
    except IntegrityError:
        # Somebody who does not take the lock saved the same question after we looked. Now it
        # is found; or it is over already, and there is room for ours.
        return _found_or_saved(asked, **new)


@atomic()
def _found_or_saved(
    asked: Question,
    *,
    origin: Export | None = None,
    lines: Sequence[dict[str, Any]] = (),
    enqueue: bool = True,
    by: User | None = None,
) -> tuple[Export, bool]:
    limits.lock(asked.owner)
    if same := _under_way(asked):
        return same, False
    limits.check_request(asked.owner)
    export = Export.objects.create(**asked.fields, origin=origin, log_lines=len(lines))
    # The fields' own defaults are by the clock of this host.
    Export.objects.filter(pk=export.pk).update(created_at=Now(), queued_at=Now())
    reload(export)
    announce(export, "export.queued", lines=lines)
    record_start(export, by=by)
    if enqueue:
        _enqueue_after_commit(export)
    return export, True


def _under_way(asked: Question) -> Export | None:
    same = Export.objects.filter(owner=asked.owner, fingerprint=asked.fingerprint)
    return same.exclude(status__in=FINAL).select_related(*NAMED).first()


def cancel(export: Export, *, by: User | None = None) -> None:
    """Stop it: at once if nobody works on it, else as soon as the worker notices.

    Its log says `by` whom, here and below.
    """
    lines = _asked("Cancelled", by)
    with _locked(export):
        if export.status == Status.CANCELLING:
            return  # A second request changes nothing.
        if export.status in {Status.RUNNING, Status.PAUSING}:
            move(export, Status.CANCELLING, "export.cancelling", lines=lines)
        else:
            move(export, Status.CANCELLED, "export.cancelled", lines=lines, finished_at=Now())
        record_action(Action.EXPORT_CANCELLED, export, by=by)


def pause(export: Export, *, by: User | None = None) -> None:
    """Let it rest with its finished parts, until it is resumed."""
    lines = _asked("Paused", by)
    with _locked(export):
        if export.status in {Status.PAUSING, Status.PAUSED}:
            return
        if export.status == Status.RUNNING:
            move(export, Status.PAUSING, "export.pausing", lines=lines)
        else:
            move(export, Status.PAUSED, "export.paused", lines=lines)
        record_action(Action.EXPORT_PAUSED, export, by=by)


def resume(export: Export, *, by: User | None = None) -> None:
    """Put a paused export back in the queue."""
    with _locked(export):
        if export.status != Status.PAUSED:
            # Not left to MOVES: running -> queued is for workers that give it back.
            raise IllegalMove(_it_is(export, _("Only a paused one can be resumed.")))
        if export.resumes >= limits.MOST_RESUMES:
            often = _("It has been resumed too often. Cancel it, and ask for it again.")
            raise IllegalMove(_it_is(export, often))
        fields = {"queued_at": Now(), "waits_for": Wait.NOTHING, "resumes": export.resumes + 1}
        move(export, Status.QUEUED, "export.queued", lines=_asked("Resumed", by), **fields)
        record_action(Action.EXPORT_RESUMED, export, by=by)
        _enqueue_after_commit(export)


def _asked(what: str, by: User | None) -> list[dict[str, Any]]:
    return [_line(f"{what} by {by.get_username()}." if by else f"{what}.")]


@contextmanager
def _locked(export: Export) -> Iterator[None]:
    """A transaction with the row of `export` locked and fresh: nobody moves it meanwhile."""
    with atomic():
        export.refresh_from_db(from_queryset=Export.objects.select_for_update())
        yield


def _enqueue_after_commit(export: Export) -> None:
    export_id = export.pk
    on_commit(lambda: queue.enqueue(export_id))


# -- What workers report ---------------------------------------------------------------


def claim(export_id: uuid.UUID, *, worker: str, task_id: str = "") -> Export:
    """Take a queued export for this worker, with the next attempt and a fresh lease.

    Raises LostRace when there is nothing to do: another has it, or it is over. That is how
    a task that the broker delivers twice does nothing the second time. Raises Waits, and says so
    on its streams, when there is no room to write it.
    """
    export = Export.objects.filter(pk=export_id, status=Status.QUEUED).first()
    if export is None:
        raise LostRace(f"Export {export_id} does not wait for a worker.")
    if lacking := room.shortage_for(export):
        room.let_wait(export)
        raise Waits(f"Export {export_id} waits for room: {lacking}.")
    with atomic():
        move(
            export,
            Status.RUNNING,
            "export.started",
            attempt=export.attempt + 1,
            worker=worker,
            lease_expires_at=until(),
            started_at=export.started_at or Now(),
            stage=Stage.COUNTING,
            snapshot_id="",
            rate=None,
            error="",
            reason=None,
            waits_for=Wait.NOTHING,
        )
        if task_id:
            TaskRun.objects.create(export=export, task_id=task_id, attempt=export.attempt)
    return export


def succeed(export: Export, *, lines: Sequence[dict[str, Any]] = (), **file: Any) -> None:
    """The file is complete and in storage. `file`: its name, bytes, sha256."""
    expires = Now() + timedelta(days=conf.EXPIRE_DAYS)
    _finish(export, Status.SUCCEEDED, "export.succeeded", lines, None, expires_at=expires, **file)


def fail(
    export: Export, reason: str, *, lines: Sequence[dict[str, Any]] = (), **counters: int
) -> None:
    """It cannot go on. `reason` is for the person who waits: a Sentence, if it was foreseen."""
    why = written(reason)
    _finish(export, Status.FAILED, "export.failed", lines, None, **why, **counters)


def stop(export: Export, reason: str, *, lines: Sequence[dict[str, Any]] = ()) -> None:
    """Fail the export because its owner has lost the right to it, as `reason` says."""
    why = written(reason)
    _finish(export, Status.FAILED, "export.failed", lines, Action.EXPORT_STOPPED, **why)


def _finish(
    export: Export,
    new: Status,
    event: str,
    lines: Sequence[dict[str, Any]],
    action: Action | None,
    **fields: Any,
) -> None:
    fields |= {"finished_at": Now(), "stage": Stage.NONE, "lease_expires_at": None}
    try:
        with atomic():
            move(export, new, event, lines=lines, **fields)
            if action is not None:
                record_action(action, export, details={"reason": export.error})
    except LostRace:
        # Asked to stop in the last moment, or fenced: settle() tells which.
        settle(export, lines=lines)


def settle(export: Export, *, lines: Sequence[dict[str, Any]] = ()) -> None:
    """Come to rest as was asked. Raises Fenced when this worker's attempt is over."""
    attempt = export.attempt
    with atomic():
        parts.release(Part.objects.filter(export=export.pk))
        counters = parts.totals(export.pk)
        with _locked(export):
            if export.attempt != attempt or export.status not in HELD:
                raise Fenced(f"Attempt {attempt} of export {export.pk} is over.")
            # In good order: the attempt does not count against the export.
            _rest(export, lines, handovers=export.handovers + 1, **counters)


def _rest(export: Export, lines: Sequence[dict[str, Any]], **fields: Any) -> None:
    """Asked to pause or cancel, and nobody works on it any more."""
    fields |= {"lease_expires_at": None, "stage": Stage.NONE, "rate": None}
    if export.status == Status.PAUSING:
        move(export, Status.PAUSED, "export.paused", lines=lines, **fields)
    elif export.status == Status.CANCELLING:
        fields["finished_at"] = Now()
        move(export, Status.CANCELLED, "export.cancelled", lines=lines, **fields)


def hand_over(
    export: Export,
    claimed: Iterable[Part] = (),
    *,
    lines: Sequence[dict[str, Any]] = (),
    waits_for: Wait = Wait.NOTHING,
) -> None:
    """Put the export back for another worker, finished parts kept, and those `claimed` opened.

    Who helps gives its part back, too, at its next report. Without `waits_for`, another worker gets
    a message at once; else `rescue` sends one when there is room.
    """
    try:
        with atomic():
            parts.give_back(claimed)
            fields = {**parts.totals(export.pk), "waits_for": waits_for}
            _requeue(export, "export.queued", lines, handovers=export.handovers + 1, **fields)
    except LostRace:
        # Asked to stop in the last moment, or fenced: settle() tells which.
        settle(export, lines=lines)


def _requeue(export: Export, event: str, lines: Sequence[dict[str, Any]], **fields: Any) -> None:
    fields |= {"lease_expires_at": None, "stage": Stage.NONE, "rate": None, "queued_at": Now()}
    move(export, Status.QUEUED, event, lines=lines, **fields)
    if not export.waits_for:
        _enqueue_after_commit(export)


# -- Rescue ------------------------------------------------------------------------------


def rescue() -> dict[str, int]:
    """Put right what is stuck. Returns how many: rescued, failed, settled, enqueued.

    Safe to run anywhere and at once: each export is locked and looked at again.
    """
    done = {"rescued": 0, "failed": 0, "settled": 0, "enqueued": 0}
    for export_id in list(_lost().values_list("pk", flat=True)):
        # Lost: its lease was renewed, or somebody else has rescued it.
        with suppress(LostRace):
            done[_rescue(export_id)] += 1
    room.end_waits()
    done["enqueued"] = _enqueue_forgotten()
    return done


def _lost() -> QuerySet[Export]:
    return Export.objects.filter(lease_expires_at__lt=Now(), status__in=HELD)


@atomic()
def _rescue(export_id: uuid.UUID) -> str:
    """A worker was lost: its lease has run out. Where its export goes from here."""
    # Those who help and live may finish what they have, unless all is to come to rest.
    claimed = Part.objects.filter(export=export_id)
    goes_on = Export.objects.filter(pk=export_id, status=Status.RUNNING).exists()
    parts.release(claimed.filter(parts.expired()) if goes_on else claimed)
    counters = parts.totals(export_id)
    export = _lost().select_for_update().filter(pk=export_id).first()
    if export is None:
        raise LostRace(f"Export {export_id} is in good hands.")
    who = f"Worker {export.worker}, attempt {export.attempt},"
    died = f"{who} has not been heard of for {conf.LEASE_SECONDS} s"
    if export.status != Status.RUNNING:
        _rest(export, [_line(f"{died}.")], **counters)
        return "settled"
    # The attempt is raised by the next claim; until then nobody's write can pass, because
    # no worker's UPDATE expects "queued".
    lost = export.attempt - export.handovers
    if lost >= conf.MAX_ATTEMPTS:
        # What the last one could still say is a better reason than its silence.
        reason = recalled(export.error, export.reason) or _lost_workers(lost, export.worker)
        lines = [_line(f"{died}. No further attempt.", "ERROR")]
        fail(export, reason, lines=lines, **counters)
        return "failed"
    warning = f"{died}. Another worker goes on from the last finished part."
    _requeue(export, "export.rescued", [_line(warning, "WARNING")], **counters)
    return "rescued"


def _lost_workers(count: int, last: str) -> Sentence:
    if count == 1:
        return Sentence("The worker %(worker)s was lost on this export.", worker=last)
    return Sentence(
        "%(count)s workers were lost on this export. The last: %(worker)s.",
        count=count,
        worker=last,
    )


def _enqueue_forgotten() -> int:
    """Enqueue what waits and the broker does not know of. Twice does no harm: see claim."""
    stale = Now() - timedelta(seconds=FORGOTTEN_SECONDS)
    # No worker could claim an export that waits for room.
    queued = Export.objects.filter(status=Status.QUEUED, waits_for=Wait.NOTHING)
    never = queued.filter(enqueued_at=None)
    waiting = queue.waiting()
    if waiting is not None and waiting < queued.count():
        never |= queued.filter(enqueued_at__lt=stale)
    return sum(queue.enqueue(pk) for pk in never.order_by("queued_at").values_list("pk", flat=True))


# -- The queue ---------------------------------------------------------------------------

TOLD = 100  # exports that wait; who is behind them will be told when it is nearer


def tell_positions() -> int:
    """Tell those that wait where they are now, if that is not what they were told last.

    An export that leaves the queue changes the position of all behind it. That is not worth a
    write for each of them each time: beat does it, every few seconds. Returns how many.
    """
    queued = Export.objects.filter(status=Status.QUEUED).defer("params")
    waiting = queued.order_by("queued_at")[:TOLD]
    place = {export.key: position for position, export in enumerate(waiting, start=1)}
    last = Retained.objects.filter(stream__name__in=place, key__in=place)
    told = dict(last.values_list("key", "data__queue_position"))
    moved = [each for each in waiting if told.get(each.key) != place[each.key]]
    return sum(_tell_again(export) for export in moved)


@atomic()
def _tell_again(export: Export) -> bool:
    here = Export.objects.filter(pk=export.pk, status=Status.QUEUED)
    if not here.update(version=F("version") + 1):
        return False  # It does not wait any more, and that was told.
    reload(export)
    announce(export)
    return True


def _line(message: str, level: str = "INFO") -> dict[str, Any]:
    return {"level": level, "message": message, "logger": __name__}
