"""Start exports as pages and the API do: build a spec once, and give it to lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports import lifecycle
from exports.spec.spec import build_spec

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from exports.models import Export


def start_export(*, user: User, enqueue: bool = True, **request: Any) -> Export:
    """Start what `user` requests, or return the identical export that is still active."""
    return start_or_find(user=user, enqueue=enqueue, **request)[0]


def start_or_find(*, user: User, enqueue: bool = True, **request: Any) -> tuple[Export, bool]:
    """Start what `user` requests; return `(export, created)`."""
    return lifecycle.start(build_spec(user, **request), enqueue=enqueue)
