"""What is kept: durable streams of events and of retained values, read from a cursor.

Only this package writes streams: `append`, `append_many` and `retain` are its doors, and `access`
decides who may read one. `push` tells the web processes that something is new; what it says may get
lost, because the tables have it. It does not know who listens.
"""

from __future__ import annotations

from notifications.streams.backlog import current_cursor
from notifications.streams.publish import append, append_many, retain

__all__ = ["append", "append_many", "current_cursor", "retain"]
