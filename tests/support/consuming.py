"""Cursors and received items for tests of a socket."""

from __future__ import annotations

from notifications.streams import backlog
from tests.support.streaming import in_thread


async def cursor_of(stream):
    return await in_thread(backlog.current_cursor, stream)


def messages(socket):
    """Return what `socket` has received: the types of events, and "key=n" for values."""
    names = {
        "event": lambda each: each["event"],
        "state": lambda each: "{key}={data[n]}".format(**each),
    }
    return [names[each["type"]](each) for each in socket.frames if each["type"] in names]
