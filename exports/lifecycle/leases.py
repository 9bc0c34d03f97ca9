"""Leases by the database's clock. A host's clock may be wrong by minutes; there is one
database, so all workers read the same one. (On SQLite it is the host's: one host.)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now

from exports.conf import conf

__all__ = ["Now", "until"]


def until() -> Any:
    """An SQL expression: when a lease that is taken or renewed now runs out."""
    return ExpressionWrapper(
        Now() + timedelta(seconds=conf.LEASE_SECONDS), output_field=DateTimeField()
    )
