"""A cache in this process that maps credentials to the user that they belong to.

Limits count by user. With this cache, a request over a limit is refused without a read of the
database. An entry decides only whose limit applies, and never who is signed in.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

MAX_ENTRIES = 10_000  # The oldest entries are dropped.

_users: OrderedDict[bytes, str] = OrderedDict()
_lock = Lock()


def remember(credentials: bytes, user: object) -> None:
    """Store that `credentials` (see `api.credentials`) belong to `user`, a primary key."""
    with _lock:
        _users[credentials] = str(user)
        _users.move_to_end(credentials)
        if len(_users) > MAX_ENTRIES:
            _users.popitem(last=False)


def find(credentials: bytes) -> str | None:
    """Return the primary key of the user as text, or None if the credentials are unknown."""
    return _users.get(credentials)


def clear() -> None:
    with _lock:
        _users.clear()
