"""Durable streams of events and of retained values, read from a cursor.

Only this package writes streams, with `append`, `append_many` and `retain`; `access` decides who
may read a stream. `push` sends new items to the web processes. A push may fail, because the tables
have all items. The package does not know who listens.
"""

from __future__ import annotations

from notifications.streams.backlog import current_cursor
from notifications.streams.publish import append, append_many, retain

__all__ = ["append", "append_many", "current_cursor", "retain"]
