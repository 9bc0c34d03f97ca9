"""What a person makes of streams: notifications in the bell, on a page and by e-mail.

`notify` is the one door for code that has something to say; apps register the types of their
notifications in `types`. It keeps how far each user has read. Streams and their delivery do not
know that it exists.
"""

from __future__ import annotations

from notifications.inbox.inbox import notify

__all__ = ["notify"]
