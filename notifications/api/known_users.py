"""Which user some credentials belong to, as far as this process has seen (an LRU cache).

Limits count per user, and with this cache a request over a limit is refused before the database
is read. An entry decides whose limit counts. It never decides who is signed in.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

REMEMBERED = 10_000  # credentials

_users: OrderedDict[bytes, str] = OrderedDict()
_lock = Lock()


def remember(credentials: bytes, user: object) -> None:
    """Note that `credentials` (of `credentials.credentials`) belong to `user`, a primary key."""
    with _lock:
        _users[credentials] = str(user)
        _users.move_to_end(credentials)
        if len(_users) > REMEMBERED:
            _users.popitem(last=False)


def find(credentials: bytes) -> str | None:
    """Return the primary key of the user as text, or None if they are not remembered."""
    return _users.get(credentials)


def clear() -> None:
    with _lock:
        _users.clear()
