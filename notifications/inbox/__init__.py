"""What a user gets of streams: notifications in the bell, on a page and by e-mail.

Code calls `notify` to send one; apps register the types of their notifications in `types`. It
stores how far each user has read. Streams and their delivery do not know that it exists.
"""

from __future__ import annotations

from notifications.inbox.inbox import notify

__all__ = ["notify"]
