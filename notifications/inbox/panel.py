"""What the panel of the bell shows: the latest notifications and their state."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from notifications.inbox import inbox, types
from notifications.streams.access import user_stream

if TYPE_CHECKING:
    from django.contrib.auth.models import User


LATEST = 8  # What a panel shows without a bar to scroll. The page has them all.


def latest(user: User) -> dict[str, Any]:
    """What the partials of the bell read."""
    page = inbox.page(user, limit=LATEST)
    return {
        "user": user,
        "page": page,
        "state": json.dumps(asdict(page.state)),
        "cursors": json.dumps({user_stream(user): page.cursor}),
        "types": json.dumps(types.types()),
    }
