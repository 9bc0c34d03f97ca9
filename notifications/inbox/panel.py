"""The data of the bell's panel: the latest notifications and the state of the inbox."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from notifications.inbox import inbox, types
from notifications.streams.access import user_stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User


LATEST = 8  # This many fit in the panel without scrolling. The inbox page has all.


def latest(user: User) -> dict[str, Any]:
    """Return the context for the bell's templates."""
    page = inbox.page(user, limit=LATEST)
    return {
        "user": user,
        "page": page,
        "state": json.dumps(asdict(page.state)),
        "cursors": json.dumps({user_stream(user): page.cursor}),
        "types": json.dumps(types.types()),
    }
