"""Exports started as a face starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports import lifecycle

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from exports.models import Export


def start_export(*, user: User, **request: Any) -> Export:
    """Start what `user` requests, or return the identical export that is still active."""
    return start_or_find(user=user, **request)[0]


def start_or_find(*, user: User, **request: Any) -> tuple[Export, bool]:
    """Start what `user` requests; return `(export, created)`."""
    return lifecycle.request_once(user=user, **request)
