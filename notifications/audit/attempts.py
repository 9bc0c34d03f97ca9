"""Refused sign-ins and tokens in the audit trail, however many somebody tries.

Anybody can make them, so there is an end to what they write: in an hour so many entries for
an address, and so many in all. The last entry says that more of them are not recorded. Each
entry takes a slot whose name is unique, so that processes which count at once agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils import timezone

from notifications.audit import record
from notifications.models import AuditEntry
from notifications.writing import atomic

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

    from notifications.audit.actions import Action

# With these, half a million attempts an hour write 500 rows, about 200 kB.
MOST_OF_ADDRESS = 20
MOST_IN_ALL = 500
MORE = {"more": "Further ones in this hour are not recorded."}


def refused(action: Action, about: record.About, request: HttpRequest | None) -> None:
    """Record that somebody was refused, unless that was recorded often enough in this hour."""
    made = record.entry(action, about, request=request)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    addresses = _recent_addresses(action, hour)
    if len(addresses) > MOST_IN_ALL:
        return
    prefix = f"{action} {hour:%Y-%m-%dT%H}"
    if len(addresses) == MOST_IN_ALL:
        _take(_last(made, everybody=True), f"{prefix} all")
        return
    for number in range(addresses.count(made.address), MOST_OF_ADDRESS + 1):
        is_last = number == MOST_OF_ADDRESS
        if _take(_last(made) if is_last else made, f"{prefix} {made.address} {number}"):
            return


def _recent_addresses(action: Action, hour: datetime) -> list[str | None]:
    newest = AuditEntry.objects.filter(action=action).order_by("-pk")
    last = newest.values_list("address", "at")[: MOST_IN_ALL + 1]
    return [address for address, at in last if at >= hour]


def _last(made: AuditEntry, *, everybody: bool = False) -> AuditEntry:
    made.details = {**made.details, **MORE}
    if everybody:
        made.address, made.object_key, made.object_label, made.user_agent = None, "", "", ""
    return made


def _take(made: AuditEntry, slot: str) -> bool:
    """Save `made` in that slot; False if somebody else has it."""
    made.slot = slot
    try:
        with atomic():
            made.save()
    except IntegrityError:
        return False
    return True
