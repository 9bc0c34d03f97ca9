"""How much people may ask for, and how large an export may be. Nobody is exempt.

What is asked for is counted at the request. How large it is, is known when a worker has
counted, and when the file is written.
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

# How often one export may be resumed. Each time leaves events and a row.
MOST_RESUMES = 100


def lock(user: User) -> None:
    """Let requests of `user` come one after the other, until this transaction ends.

    Otherwise ten clicks at once would all count before the first is saved. SQLite has no
    locks of rows; there transactions that write come one after the other anyway.
    """
    # NO KEY: rows that name the user may be added meanwhile, such as notifications.
    people = get_user_model()._default_manager.select_for_update(no_key=True)
    list(people.filter(pk=user.pk).values_list("pk"))


def check_request(user: User) -> None:
    """Whether `user` may have one export more. Raises OverLimit. Call `lock` before."""
    _check_active(user)
    _check_rate(user)
    _check_day(user)
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


def _check_rate(user: User) -> None:
    allowed = conf.MAX_REQUESTS_PER_MINUTE
    if wait := _wait(user, allowed, WINDOW_SECONDS):
        raise TooManyRequests(
            _("You can start %(allowed)d exports a minute. Try again in %(wait)d s.")
            % {"allowed": allowed, "wait": wait},
            allowed=allowed,
            retry_after=wait,
        )


def _check_day(user: User) -> None:
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
    # By the database's clock, which they were dated by.
    age = ExpressionWrapper(Now() - F("created_at"), output_field=DurationField())
    # There is room when the last of as many as are allowed is a window old.
    last = newest.values_list(age, flat=True)[allowed - 1 : allowed].first()
    seconds: float = window if last is None else last.total_seconds()
    return 0 if seconds >= window else max(1, ceil(window - seconds))


def check_rows(export: Export, total: int) -> None:
    """Whether `export` may have that many rows. Raises TooLarge."""
    allowed = _allowed(registry.get(export.exporter).max_rows, conf.MAX_ROWS)
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
    """Whether the file of `export` may have as much as was written of it. Raises TooLarge."""
    allowed = _allowed(registry.get(export.exporter).max_bytes, conf.MAX_BYTES)
    if allowed and written > allowed:
        raise TooLarge(
            Message(
                "The file has %(bytes)s bytes so far; the limit is %(allowed)s. Add filters, "
                "choose fewer columns, or ask an administrator to raise the limit.",
                bytes=written,
                allowed=allowed,
            )
        )


def _allowed(own: int | None, setting: int) -> int:
    return setting if own is None else own
