"""Actions and results for tests of a socket and its streams."""

from __future__ import annotations

from notifications.streams import backlog
from tests.support.streaming import append, in_thread


async def say(stream, *events):
    await in_thread(append, stream, *events)


async def cursor_of(stream):
    return await in_thread(backlog.current_cursor, stream)


def messages(socket):
    """Return what `socket` has received: the types of events, and "key=n" for values."""
    names = {
        "event": lambda each: each["event"],
        "state": lambda each: "{key}={data[n]}".format(**each),
    }
    return [names[each["type"]](each) for each in socket.frames if each["type"] in names]
