"""Remove old entries of the audit trail. No other code removes any."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.utils import timezone

from notifications.audit.guard import pruning
from notifications.audit.record import record
from notifications.audit_actions import Action
from notifications.conf import conf
from notifications.models import AuditEntry
from notifications.writing import alias

if TYPE_CHECKING:
    from datetime import datetime

BATCH = 5_000  # Rows in one transaction.


def prune_old() -> int:
    """Remove entries that are older than NOTIFICATIONS_AUDIT_DAYS. Return their number."""
    return prune(timezone.now() - timedelta(days=conf.AUDIT_DAYS))


def prune(before: datetime, batch: int = BATCH) -> int:
    """Remove entries that are older than `before`, oldest first, in small transactions.

    Return their number.
    """
    removed = 0
    while count := _prune_batch(before, batch):
        removed += count
    return removed


def _prune_batch(before: datetime, batch: int) -> int:
    """Remove one batch, and record that in the same transaction."""
    using = alias()
    old = AuditEntry.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)
    with pruning(using):
        keys = list(old[:batch])
        # The model's own queryset refuses to delete.
        removed, _ = QuerySet(AuditEntry, using=using).filter(pk__in=keys).delete()
        if removed:
            record(Action.TRAIL_PRUNED, details={"entries": removed, "before": before})
    return removed
