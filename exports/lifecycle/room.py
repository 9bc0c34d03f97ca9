"""Quotas of stored bytes, for each owner and for the site, and a minimum of free disk space.

At the quota of an owner, requests are refused, and a running export that exceeds it fails. At the
quota of the site or the minimum of disk space no owner is at fault: requests are refused, queued
exports wait, and running ones go back to the queue with their finished parts, until there is room.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Sum
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from exports import formatting
from exports.conf import conf
from exports.exceptions import NoRoom, OutOfSpace, OverQuota, TooLarge
from exports.files import disk
from exports.i18n.message import Message
from exports.lifecycle.leases import Now
from exports.lifecycle.transitions import update_queued
from exports.models import Export, Part, PartStatus
from exports.status import HELD, Status, Wait

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

# Exports that one call of `release_waiting` releases. beat may see free space where workers on other
# hosts see none. Then each released export costs a claim that fails.
RELEASED = 20
# The worker of a failed export may need this long to delete its parts.
DELETING = timedelta(seconds=60)


# -- What is stored ----------------------------------------------------------------------


def used(owner: Any = None) -> int:
    """Return the bytes of all finished files, and of the parts of unfinished exports.

    With `owner`, a user or the id of one, count only the exports of that user.
    """
    exports, parts = Export.objects.all(), Part.objects.all()
    if owner is not None:
        exports, parts = exports.filter(owner=owner), parts.filter(export__owner=owner)
    files = exports.exclude(file="")
    # The parts of a succeeded export are deleted, although their rows may still name files.
    stored = parts.exclude(file="").exclude(export__status=Status.SUCCEEDED)
    written = parts.filter(export__status__in=HELD, status=PartStatus.CLAIMED)
    return sum(_bytes(rows) for rows in (files, stored, written))


def _bytes(rows: QuerySet[Any]) -> int:
    return rows.aggregate(sum=Sum("bytes"))["sum"] or 0


def state() -> dict[str, Any]:
    """Return numbers for `health`. `lacking` says why no export is accepted; "" if there is room."""
    stored, allowed = used(), conf.MAX_STORED_BYTES
    full = "no more may be stored" if allowed and stored >= allowed else ""
    return {
        "stored": stored,
        "stored_allowed": allowed,
        "storage_free": disk.storage_free(),
        "work_free": disk.work_free(),
        "floor": conf.MIN_FREE_BYTES,
        "lacking": full or disk.shortage(),
    }


# -- When an export is requested ---------------------------------------------------------


def check_request(user: User) -> None:
    """Raise OverQuota if `user` may store no more bytes, OutOfSpace if no user may."""
    allowed = conf.MAX_STORED_BYTES_PER_USER
    if allowed and (stored := used(owner=user)) >= allowed:
        raise _over_quota(user, stored, allowed)
    if _site_is_full() or disk.storage_shortage():
        raise OutOfSpace(
            _(
                "This site has no room for new files right now. Try again later, or contact an "
                "administrator."
            ),
            allowed=conf.MAX_STORED_BYTES,
        )


def _over_quota(user: User, stored: int, allowed: int) -> OverQuota:
    values = {"used": filesizeformat(stored), "allowed": filesizeformat(allowed)}
    files = Export.objects.filter(owner=user).exclude(file="").order_by("expires_at")
    if expires := files.values_list("expires_at", flat=True).first():
        text = _(
            "Your exports use %(used)s of %(allowed)s. The next file expires on %(when)s, which "
            "makes room. Paused exports count: cancel the ones that you do not need."
        )
        wait = ceil((expires - timezone.now()).total_seconds())
        values["when"] = formatting.date_time(timezone.localtime(expires))
        return OverQuota(text % values, allowed=allowed, retry_after=max(wait, 1))
    text = _(
        "Your exports use %(used)s of %(allowed)s. Cancel paused exports that you do not need, or "
        "wait until running exports have finished."
    )
    return OverQuota(text % values, allowed=allowed)


def _site_is_full() -> bool:
    allowed = conf.MAX_STORED_BYTES
    return bool(allowed) and used() >= allowed


# -- When it is claimed ------------------------------------------------------------------


def shortage_for(export: Export) -> str:
    """Return why `export` cannot start or continue here, for the log; "" if it can.

    Its parts are copied into the file, so it needs as many bytes again. With less free space it
    would start and go back to the queue repeatedly.
    """
    if _site_is_full():
        return f"the files of all exports take the {conf.MAX_STORED_BYTES:,} bytes that are allowed"
    return disk.shortage(_bytes(export.parts.exclude(file="")))


def wait_for_space(export: Export) -> None:
    """Record that the queued `export` waits for disk space, and publish it."""
    update_queued(export, ~Q(waits_for=Wait.SPACE), waits_for=Wait.SPACE)


def release_waiting() -> int:
    """Release some exports that wait for disk space, if there is space. Return how many."""
    waiting = Export.objects.filter(status=Status.QUEUED, waits_for=Wait.SPACE)
    first = list(waiting.order_by("queued_at")[:RELEASED])
    if not first or _site_is_full() or disk.storage_shortage():
        return 0
    # Without `enqueued_at`, the rescue sends a message for each of them.
    released = {"waits_for": Wait.NOTHING, "enqueued_at": None}
    return sum(update_queued(export, Q(waits_for=Wait.SPACE), **released) for export in first)


# -- While it is written -----------------------------------------------------------------


def check_quotas(export: Export) -> None:
    """Raise TooLarge if the owner of a running export is over the quota, NoRoom if the site is.

    If several exports of one owner run at once, only the newest fails. The others go back to the
    queue until its parts are deleted. Otherwise all of them could fail because of one.
    """
    allowed = conf.MAX_STORED_BYTES_PER_USER
    if allowed and used(owner=export.owner_id) > allowed:
        with_parts = Q(status=Status.RUNNING) | Q(status=Status.QUEUED, bytes__gt=0)
        own = Export.objects.filter(owner=export.owner_id)
        newer = own.filter(with_parts, created_at__gt=export.created_at)
        # An export that has just failed may not have deleted its parts yet.
        ended = own.filter(status=Status.FAILED, finished_at__gt=Now() - DELETING)
        if newer.exists() or ended.filter(parts__file__gt="").exists():
            raise NoRoom("The owner is over the quota, and a newer export fails first")
        # Read again: a newer export may have ended and freed its parts since the first query.
        if (stored := used(owner=export.owner_id)) > allowed:
            raise TooLarge(
                Message(
                    "The owner's exports use %(used)s bytes; the limit is %(allowed)s. Run it "
                    "again when files have expired, choose fewer rows or columns, or ask an "
                    "administrator to raise the limit.",
                    used=stored,
                    allowed=allowed,
                )
            )
    if conf.MAX_STORED_BYTES and used() > conf.MAX_STORED_BYTES:
        raise NoRoom(f"The files of all exports take more than {conf.MAX_STORED_BYTES:,} bytes")


def check_disk() -> None:
    """Raise NoRoom if less than the minimum of disk space is free. It costs two system calls."""
    if lacking := disk.shortage():
        raise NoRoom(lacking)
