"""Quotas of stored bytes, for each owner and for the site, and a floor of free disk space.

At an owner's quota a request is refused, and a running export that passes it fails. At the
site's quota or the floor no owner is at fault: requests are refused, queued exports wait, and
running ones go back to the queue with their finished parts, until there is room.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, Sum
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from exports import formatting
from exports.conf import conf
from exports.exceptions import NoRoom, OutOfSpace, OverQuota, TooLarge
from exports.files import disk
from exports.i18n.message import Message
from exports.lifecycle.announce import announce
from exports.lifecycle.leases import Now
from exports.models import Export, Part, PartStatus
from exports.serialize import reload
from exports.status import HELD, Status, Wait
from notifications.writing import atomic

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

# Waiting exports that one call of `release_waiting` releases. beat may see room where the workers, on
# other hosts, see none: then each of these exports costs a claim in vain.
RELEASED = 20
# For so long after an export has failed, its worker may still be deleting its parts.
DELETING = timedelta(seconds=60)


# -- What is stored ----------------------------------------------------------------------


def used() -> int:
    """Return the bytes of all finished files, and of the parts of unfinished exports."""
    return _used()


def used_by(owner_id: Any) -> int:
    """Like `used`, for the exports of one owner."""
    return _used(owner=owner_id)


def _used(**owner: Any) -> int:
    own = {f"export__{name}": value for name, value in owner.items()}
    files = Export.objects.filter(**owner).exclude(file="")
    # The parts of an export that has succeeded are deleted, though rows may still name them.
    stored = Part.objects.filter(**own).exclude(file="").exclude(export__status=Status.SUCCEEDED)
    written = Part.objects.filter(export__status__in=HELD, status=PartStatus.CLAIMED, **own)
    return sum(_bytes(rows) for rows in (files, stored, written))


def _bytes(rows: QuerySet[Any]) -> int:
    return rows.aggregate(sum=Sum("bytes"))["sum"] or 0


def state() -> dict[str, Any]:
    """Return the figures for health. `lacking` says why no export is accepted; "" if they are."""
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
    """Raise OverQuota if `user` may store nothing more, OutOfSpace if nobody may."""
    allowed = conf.MAX_STORED_BYTES_PER_USER
    if allowed and (stored := used_by(user.pk)) >= allowed:
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
    known = {"used": filesizeformat(stored), "allowed": filesizeformat(allowed)}
    files = Export.objects.filter(owner=user).exclude(file="").order_by("expires_at")
    if expires := files.values_list("expires_at", flat=True).first():
        text = _(
            "Your exports use %(used)s of %(allowed)s. The next file expires on %(when)s, which "
            "makes room. Paused exports count: cancel the ones that you do not need."
        )
        wait = ceil((expires - timezone.now()).total_seconds())
        known["when"] = formatting.date_time(timezone.localtime(expires))
        return OverQuota(text % known, allowed=allowed, retry_after=max(wait, 1))
    text = _(
        "Your exports use %(used)s of %(allowed)s. Cancel paused exports that you do not need, or "
        "wait until running exports have finished."
    )
    return OverQuota(text % known, allowed=allowed)


def _site_is_full() -> bool:
    allowed = conf.MAX_STORED_BYTES
    return bool(allowed) and used() >= allowed


# -- When it is claimed ------------------------------------------------------------------


def shortage_for(export: Export) -> str:
    """Say for the log why `export` cannot begin or go on here; "" if it can.

    It also needs the bytes of its parts once more, since they are copied into the file. With
    less room it would go back to the queue again and again.
    """
    if _site_is_full():
        return f"the files of all exports take the {conf.MAX_STORED_BYTES:,} bytes that are allowed"
    return disk.shortage(_bytes(export.parts.exclude(file="")))


def wait_for_space(export: Export) -> None:
    """Note that the queued `export` waits for room, and publish that."""
    _set_wait(export, Wait.SPACE)


def release_waiting() -> int:
    """Release some exports that wait for room, if there is room. Return how many."""
    waiting = Export.objects.filter(status=Status.QUEUED, waits_for=Wait.SPACE)
    first = list(waiting.order_by("queued_at")[:RELEASED])
    if not first or _site_is_full() or disk.storage_shortage():
        return 0
    # Without `enqueued_at` the rescue sends a message to the broker for each of them.
    return sum(_set_wait(export, Wait.NOTHING, enqueued_at=None) for export in first)


@atomic()
def _set_wait(export: Export, wait: Wait, **fields: Any) -> bool:
    here = Export.objects.filter(pk=export.pk, status=Status.QUEUED).exclude(waits_for=wait)
    if not here.update(waits_for=wait, version=F("version") + 1, **fields):
        return False
    reload(export)
    announce(export)
    return True


# -- While it is written -----------------------------------------------------------------


def check_quotas(export: Export) -> None:
    """Raise TooLarge if the owner of a running export is over the quota, NoRoom if the site is.

    If several exports of one owner run at once, only the newest fails. The others go back to the
    queue until its parts are deleted; otherwise all could fail where one was too many.
    """
    allowed = conf.MAX_STORED_BYTES_PER_USER
    if allowed and used_by(export.owner_id) > allowed:
        with_parts = Q(status=Status.RUNNING) | Q(status=Status.QUEUED, bytes__gt=0)
        own = Export.objects.filter(owner=export.owner_id)
        newer = own.filter(with_parts, created_at__gt=export.created_at)
        # An export that has just failed may not have deleted its parts yet.
        ended = own.filter(status=Status.FAILED, finished_at__gt=Now() - DELETING)
        if newer.exists() or ended.filter(parts__file__gt="").exists():
            raise NoRoom("The owner is over the quota, and a newer export fails first")
        # Read again: a newer export may have ended and freed its parts since the first query.
        if (stored := used_by(export.owner_id)) > allowed:
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
    """Raise NoRoom if less space is free than the floor. It costs two system calls."""
    if lacking := disk.shortage():
        raise NoRoom(lacking)
