"""The inbox of each user: notifications in the bell, on a page and by e-mail.

`notify` sends a notification. Apps register further types of notifications in `types`. The package
stores how far each user has read. The packages `streams` and `delivery` do not depend on it.
"""

from __future__ import annotations

from notifications.inbox.inbox import notify

__all__ = ["notify"]
