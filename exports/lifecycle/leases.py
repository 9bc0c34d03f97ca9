"""Leases by the clock of the database, which all workers share.

The clocks of hosts may differ by minutes. On SQLite it is the clock of the only host.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from exports.conf import conf

__all__ = ["Now", "until"]


def until() -> Any:
    """Return an SQL expression: when a lease that is taken or renewed now expires."""
    return ExpressionWrapper(
        Now() + timedelta(seconds=conf.LEASE_SECONDS), output_field=DateTimeField()
    )
