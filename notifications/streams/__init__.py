"""Durable streams of events and retained values, which clients read from a cursor.

Only this package writes streams, through `append`, `append_many` and `retain`. `access` decides who
may read a stream. `push` sends new items to the web processes. A push may get lost, because the
tables have every item. The package does not know who is connected.
"""

from __future__ import annotations

from notifications.streams.backlog import current_cursor
from notifications.streams.publish import append, append_many, retain

__all__ = ["append", "append_many", "current_cursor", "retain"]
