"""Record refused sign-ins and tokens in the audit trail, up to a limit.

Anybody can cause such entries. So each action has a limit per hour for one address (for IPv6, one
network), and a limit for all addresses together. One more entry then says that no further attempts
are recorded. Each entry takes a slot with a unique name, so that several processes cannot exceed a
limit together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils import timezone

from notifications.audit import record
from notifications.client_address import network_of
from notifications.models import AuditEntry
from notifications.writing import atomic

if TYPE_CHECKING:
    from datetime import datetime

    from django.http import HttpRequest

    from notifications.audit_actions import Action

# With these limits, half a million attempts an hour write 500 rows, about 200 kB.
MAX_PER_ADDRESS = 20
MAX_TOTAL = 500
LIMIT_NOTICE = {"more": "Further attempts in this hour are not recorded."}


def record_refused(action: Action, about: record.About, request: HttpRequest | None) -> None:
    """Record a refusal, unless a limit of this hour is reached."""
    made = record.entry(action, about, request=request)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    networks = _recent_networks(action, hour)
    network = network_of(made.address)
    if len(networks) > MAX_TOTAL:
        return
    prefix = f"{action} {hour:%Y-%m-%dT%H}"
    if len(networks) == MAX_TOTAL:
        _save_in(_with_notice(made, for_all=True), f"{prefix} all")
        return
    for number in range(networks.count(network), MAX_PER_ADDRESS + 1):
        is_last = number == MAX_PER_ADDRESS
        if _save_in(_with_notice(made) if is_last else made, f"{prefix} {network} {number}"):
            return


def _recent_networks(action: Action, hour: datetime) -> list[str | None]:
    newest = AuditEntry.objects.filter(action=action).order_by("-pk")
    last = newest.values_list("address", "at")[: MAX_TOTAL + 1]
    return [network_of(address) for address, at in last if at >= hour]


def _with_notice(made: AuditEntry, *, for_all: bool = False) -> AuditEntry:
    """Add that a limit is reached. An entry `for_all` addresses does not name this attempt."""
    made.details = {**made.details, **LIMIT_NOTICE}
    if for_all:
        made.address, made.object_key, made.object_label, made.user_agent = None, "", "", ""
    return made


def _save_in(made: AuditEntry, slot: str) -> bool:
    """Save `made` in `slot`. Return False if another process has taken that slot."""
    made.slot = slot
    try:
        with atomic():
            made.save()
    except IntegrityError:
        return False
    return True
