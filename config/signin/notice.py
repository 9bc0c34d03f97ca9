"""Notify users of failed attempts to sign in under their name, at most once a day.

A user is notified after MIN_FAILURES failures. Later failures are counted from zero. When a day has
passed and there were MIN_FAILURES again, the next failure or sign-in causes another notification.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from axes.models import AccessFailureLog
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.inbox import types
from notifications.inbox.types import Notice
from notifications.models import Event, Stream
from notifications.streams import access, current_cursor, publish
from notifications.writing import atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.auth.models import User

TYPE = "signin.failed"
MIN_FAILURES = 5  # Fewer failures are probably typing errors.
PAUSE = timedelta(days=1)  # The minimum time between two notifications.
KEPT = timedelta(days=7)  # Failures are stored for this time, to be counted here.


def register() -> None:
    types.register(TYPE, _describe)


def failed(name: str, address: str | None) -> None:
    """Store a failed sign-in if `name` is an active user, and notify them after several.

    Other names are not stored, because anybody could fill the table with them.
    """
    users = get_user_model()
    user = users._default_manager.filter(**{users.USERNAME_FIELD: name}, is_active=True).first()
    if user is not None:
        AccessFailureLog.objects.create(username=name, ip_address=address)
        _notify(user)


def signed_in(user: User) -> None:
    """Notify `user` of failures before this sign-in that no notification has counted."""
    _notify(user)


def _notify(user: User) -> None:
    if _failures(user, timezone.now() - KEPT).count() < MIN_FAILURES:
        return
    name = access.user_stream(user)
    with atomic():
        current_cursor(name)  # Creates the stream if it does not exist yet.
        # The lock keeps two failures at once from causing two notifications.
        stream = Stream.objects.select_for_update().get(name=name)
        last_notice = Event.objects.filter(stream=stream, type=TYPE).order_by("-offset").first()
        now = timezone.now()
        if last_notice is not None and last_notice.at > now - PAUSE:
            return
        since = max(last_notice.at, now - KEPT) if last_notice else now - KEPT
        failures = _failures(user, since)
        if (times := failures.count()) < MIN_FAILURES:
            return
        last = failures.order_by("-attempt_time")[0]
        data = {"times": times, "address": last.ip_address, "at": last.attempt_time.isoformat()}
        publish.append(name, TYPE, data)


def _failures(user: User, since: datetime) -> Any:
    return AccessFailureLog.objects.filter(username=user.get_username(), attempt_time__gt=since)


def _describe(data: Mapping[str, Any]) -> Notice:
    title = ngettext(
        "{times} failed attempt to sign in to your account.",
        "{times} failed attempts to sign in to your account.",
        data["times"],
    ).format(times=data["times"])
    at = timezone.localtime(datetime.fromisoformat(data["at"]))
    body = _(
        "The last one was on {date} from the address {address}. If this was not you, "
        "make sure that your password is long and not used elsewhere."
    ).format(date=date_format(at, "DATETIME_FORMAT"), address=data["address"] or "?")
    return Notice(title, body=body, level="warning")
