"""Durable streams of events and of retained values, read from a cursor.

Only this package writes streams, through `append`, `append_many` and `retain`; `access` decides who
may read one. `push` tells the web processes about new items, and may fail: the tables have them. It
does not know who listens.
"""

from __future__ import annotations

from notifications.streams.backlog import current_cursor
from notifications.streams.publish import append, append_many, retain

__all__ = ["append", "append_many", "current_cursor", "retain"]
