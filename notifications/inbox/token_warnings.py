"""Warn users once, in the bell and by e-mail, a week before one of their tokens expires."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from notifications.api import tokens
from notifications.inbox import types
from notifications.inbox.types import Notice
from notifications.models import Token
from notifications.printable import visible
from notifications.streams import access, publish
from notifications.writing import atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE = "token.expiring"
MAX_NOTE = 100  # Characters of the note in the title.


def warn() -> int:
    """Warn the users of tokens that expire within a week. Return the number of warnings.

    Safe to run in several processes at once: each token is claimed by one of them.
    """
    now = timezone.now()
    soon = Token.objects.filter(
        warned_at=None, expires_at__gt=now, expires_at__lte=now + tokens.WARN_BEFORE
    )
    return sum(map(_warn_about, soon.select_related("user")))


@atomic()
def _warn_about(token: Token) -> bool:
    if not tokens.is_alive(token):
        return False
    unwarned = Token.objects.filter(pk=token.pk, warned_at=None)
    if not unwarned.update(warned_at=timezone.now()):
        return False
    data = {"id": token.pk, "note": token.note, "expires_at": token.expires_at.isoformat()}
    publish.append(access.user_stream(token.user), TYPE, data)
    return True


def _describe(data: Mapping[str, Any]) -> Notice:
    note = visible(data["note"].strip(), MAX_NOTE)
    moment = timezone.localtime(datetime.fromisoformat(data["expires_at"]))
    when = date_format(moment, "DATETIME_FORMAT")
    return Notice(
        _("The token “{note}” expires soon.").format(note=note)
        if note
        else _("One of your tokens expires soon."),
        body=_(
            "It is valid until {when}. After that, programs can no longer use it. Ask an "
            "administrator for a new one."
        ).format(when=when),
        level="warning",
    )


types.register(TYPE, _describe)
