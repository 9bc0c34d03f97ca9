"""Limits of requests for each user, and of the size of an export. Nobody is exempt.

Requests are limited when an export is requested. Its size is limited once a worker has counted the
rows, and while it writes the file.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db.models import DurationField, ExpressionWrapper, F
from django.utils.translation import gettext as _

from exports import formatting
from exports.conf import conf
from exports.exceptions import TooLarge, TooManyExports, TooManyInADay, TooManyRequests
from exports.exporters import registry
from exports.i18n.message import Message
from exports.lifecycle import room
from exports.lifecycle.leases import Now
from exports.models import Export
from exports.status import FINAL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WINDOW_SECONDS = 60
DAY_SECONDS = 24 * 3600

# For one export. Each resume leaves events and an entry in the audit trail.
MAX_RESUMES = 100


def lock(user: User) -> None:
    """Serialize the requests of `user` until this transaction ends.

    Otherwise ten simultaneous requests would all pass the limits before the first is saved. SQLite
    has no row locks, but serializes all transactions that write.
    """
    # With NO KEY, so that other transactions may insert rows that refer to the user in the
    # meantime, such as notifications.
    users = get_user_model()._default_manager.select_for_update(no_key=True)
    list(users.filter(pk=user.pk).values_list("pk"))


def check_request(user: User) -> None:
    """Raise OverLimit if `user` may not start another export. Call `lock` first."""
    _check_active(user)
    _check_rates(user)
    room.check_request(user)


def _check_active(user: User) -> None:
    allowed = conf.MAX_ACTIVE
    active = Export.objects.filter(owner=user).exclude(status__in=FINAL).count()
    if allowed and active >= allowed:
        raise TooManyExports(
            _(
                "You have reached your limit of active exports (%(active)d of %(allowed)d). "
                "Wait for one to finish, or cancel one. Paused exports count."
            )
            % {"active": active, "allowed": allowed},
            allowed=allowed,
        )


def _check_rates(user: User) -> None:
    allowed = conf.MAX_REQUESTS_PER_MINUTE
    if wait := _wait(user, allowed, WINDOW_SECONDS):
        raise TooManyRequests(
            _("You can start %(allowed)d exports a minute. Try again in %(wait)d s.")
            % {"allowed": allowed, "wait": wait},
            allowed=allowed,
            retry_after=wait,
        )
    allowed = conf.MAX_REQUESTS_PER_DAY
    if wait := _wait(user, allowed, DAY_SECONDS):
        raise TooManyInADay(
            _("You can start %(allowed)d exports a day. Try again in %(wait)s.")
            % {"allowed": allowed, "wait": formatting.duration(wait)},
            allowed=allowed,
            retry_after=wait,
        )


def _wait(user: User, allowed: int, window: int) -> int:
    """Return the seconds until `user` may request another export; 0 for now.

    That is when fewer than `allowed` requests are younger than `window` seconds.
    """
    if not allowed:
        return 0
    newest = Export.objects.filter(owner=user).order_by("-created_at")
    # The clock of the database has also set `created_at`.
    age = ExpressionWrapper(Now() - F("created_at"), output_field=DurationField())
    # A request is allowed once the oldest of the last `allowed` ones has left the window.
    oldest = newest.values_list(age, flat=True)[allowed - 1 : allowed].first()
    left = 0 if oldest is None else window - oldest.total_seconds()
    return max(0, ceil(left))


def check_rows(export: Export, total: int) -> None:
    """Raise TooLarge if `export` may not have `total` rows."""
    own = registry.get(export.exporter).max_rows
    allowed = conf.MAX_ROWS if own is None else own
    if allowed and total > allowed:
        raise TooLarge(
            Message(
                "This export has %(rows)s rows; the limit is %(allowed)s. Add filters, or "
                "ask an administrator to raise the limit.",
                rows=total,
                allowed=allowed,
            )
        )


def check_bytes(export: Export, written: int) -> None:
    """Raise TooLarge if the file of `export` may not have the bytes `written` so far."""
    own = registry.get(export.exporter).max_bytes
    allowed = conf.MAX_BYTES if own is None else own
    if allowed and written > allowed:
        raise TooLarge(
            Message(
                "The file has %(bytes)s bytes so far; the limit is %(allowed)s. Add filters, "
                "choose fewer columns, or ask an administrator to raise the limit.",
                bytes=written,
                allowed=allowed,
            )
        )
