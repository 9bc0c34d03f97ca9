"""Room for files: how much each owner and all together may store, and how much disk stays free.

An owner's quota refuses a request, and fails an export that passes it. A lack of room that is
nobody's own, of the site's quota or of the disk, refuses requests too; but then a queued export
waits, and a running one goes back to the queue with its finished parts, until there is room.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q, Sum
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from exports import figures
from exports.announce import announce
from exports.conf import conf
from exports.engine import disk
from exports.exceptions import NoRoom, OutOfSpace, OverQuota, TooLarge
from exports.leases import Now
from exports.models import HELD, Export, Part, PartStatus, Status, Wait
from exports.sentences import Sentence
from exports.snapshot import reload
from notifications.writing import atomic

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

# Exports a round that are told that they wait no more. Where beat sees no lack of room and the
# workers do, each of them is told so in vain.
RELEASED = 20


# Until then a worker may still delete the parts of what has failed.
DELETING = timedelta(seconds=60)


# -- What is stored ----------------------------------------------------------------------


def used() -> int:
    """Return the bytes of all finished files, and of the parts of all that is not finished."""
    return _used()


def used_by(owner_id: Any) -> int:
    """Return the same of one owner."""
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
    """What health says of it. `lacking` is why nothing new is accepted or begun; "" if it is."""
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


# -- When an export is asked for ---------------------------------------------------------


def check_request(user: User) -> None:
    """Raise OverQuota or OutOfSpace if nothing more may be stored for `user`, or for anybody."""
    allowed = conf.MAX_STORED_BYTES_PER_USER
    if allowed and (stored := used_by(user.pk)) >= allowed:
        raise _over_quota(user, stored, allowed)
    if _site_is_full() or disk.storage_shortage():
        raise OutOfSpace(
            _(
                "There is no room for new files on this site just now. Try again later, or tell "
                "whoever runs this site."
            ),
            allowed=conf.MAX_STORED_BYTES,
        )


def _over_quota(user: User, stored: int, allowed: int) -> OverQuota:
    known = {"used": filesizeformat(stored), "allowed": filesizeformat(allowed)}
    files = Export.objects.filter(owner=user).exclude(file="").order_by("expires_at")
    if expires := files.values_list("expires_at", flat=True).first():
        text = _(
            "Your exports take %(used)s, and may take %(allowed)s. The next file expires on "
            "%(when)s; then there is room again. Paused exports count: cancel those that you do "
            "not need."
        )
        wait = ceil((expires - timezone.now()).total_seconds())
        known["when"] = figures.moment(timezone.localtime(expires))
        return OverQuota(text % known, allowed=allowed, retry_after=max(wait, 1))
    text = _(
        "Your exports take %(used)s, and may take %(allowed)s. Cancel paused exports that you do "
        "not need, or wait until those that are running are over."
    )
    return OverQuota(text % known, allowed=allowed)


def _site_is_full() -> bool:
    allowed = conf.MAX_STORED_BYTES
    return bool(allowed) and used() >= allowed


# -- When it is claimed ------------------------------------------------------------------


def shortage_for(export: Export) -> str:
    """Say for the log why `export` cannot begin or go on here; "" if it can.

    What its parts have is written once more when they are put together. With less room it would
    be given back again and again.
    """
    if _site_is_full():
        return f"The files of all exports take the {conf.MAX_STORED_BYTES:,} bytes that they may"
    return disk.shortage(_bytes(export.parts.exclude(file="")))


def let_wait(export: Export) -> None:
    """Say that the queued `export` waits for room, if that is not known yet."""
    _tell(export, Wait.SPACE)


def end_waits() -> int:
    """Let exports that wait for room be claimed again if there is room. Return how many."""
    waiting = Export.objects.filter(status=Status.QUEUED, waits_for=Wait.SPACE)
    first = list(waiting.order_by("queued_at")[:RELEASED])
    if not first or _site_is_full() or disk.storage_shortage():
        return 0
    # Not told to the broker: a rescue does that for all that were never told.
    return sum(_tell(export, Wait.NOTHING, enqueued_at=None) for export in first)


@atomic()
def _tell(export: Export, wait: Wait, **fields: Any) -> bool:
    here = Export.objects.filter(pk=export.pk, status=Status.QUEUED).exclude(waits_for=wait)
    if not here.update(waits_for=wait, version=F("version") + 1, **fields):
        return False
    reload(export)
    announce(export)
    return True


# -- While it is written -----------------------------------------------------------------


def check_quotas(export: Export) -> None:
    """Raise TooLarge if the owner of a running export has passed the quota, NoRoom if all have.

    Of several exports of one owner that run at once, the newest fails. The others give their
    workers back until it has freed what it took: else all of them could fail for one too many.
    """
    allowed = conf.MAX_STORED_BYTES_PER_USER
    if allowed and used_by(export.owner_id) > allowed:
        with_parts = Q(status=Status.RUNNING) | Q(status=Status.QUEUED, bytes__gt=0)
        own = Export.objects.filter(owner=export.owner_id)
        newer = own.filter(with_parts, created_at__gt=export.created_at)
        # One that has just failed may not have deleted its parts yet.
        ended = own.filter(status=Status.FAILED, finished_at__gt=Now() - DELETING)
        if newer.exists() or ended.filter(parts__file__gt="").exists():
            raise NoRoom("Its owner's exports take more than they may, and the newest ends first")
        # Once more: between the two questions a newer one may have ended and freed its parts.
        if (stored := used_by(export.owner_id)) > allowed:
            raise TooLarge(
                Sentence(
                    "The files and parts of its owner's exports take %(used)s bytes, and may take "
                    "%(allowed)s at most. Run it again when files have expired, choose fewer rows "
                    "or columns, or ask an administrator for a higher limit.",
                    used=stored,
                    allowed=allowed,
                )
            )
    if conf.MAX_STORED_BYTES and used() > conf.MAX_STORED_BYTES:
        raise NoRoom(f"The files of all exports take more than {conf.MAX_STORED_BYTES:,} bytes")


def check_disk() -> None:
    """Raise NoRoom if less is free than the floor. It costs two system calls."""
    if lacking := disk.shortage():
        raise NoRoom(lacking[0].upper() + lacking[1:])
