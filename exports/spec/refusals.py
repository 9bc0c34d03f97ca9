"""Limit the refused requests of each user with a leaky bucket.

Accepted requests are counted in the database (`lifecycle.limits`). A refused one leaves no row, but
parsing and checking it takes time. So each process counts refusals in memory: a user may have
EXPORTS_MAX_REQUESTS_PER_MINUTE at once, and as many again each minute. Then the next request gets
429 before it is checked. Previews are counted apart: a page requests them while its user types,
and that must not keep the user from starting an export.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from exports.conf import conf
from exports.exceptions import NotPermitted, OverLimit, RequestError, TooManyRefusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

WINDOW_SECONDS = 60
MOST_KEYS = 10_000  # Beyond this, the least recently refused users are forgotten.


class Refusals:
    """A leaky bucket for each key. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        # For each key: the level of its bucket, and the time at which it had that level.
        self._counts: OrderedDict[Any, tuple[float, float]] = OrderedDict()

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()

    def add(self, key: Any, allowed: int) -> None:
        """Count a refusal for `key`."""
        with self._lock:
            self._counts[key] = (self._count(key, allowed) + 1, self._clock())
            self._counts.move_to_end(key)
            while len(self._counts) > MOST_KEYS:
                self._counts.popitem(last=False)

    def wait(self, key: Any, allowed: int) -> int:
        """Return the seconds until the user of `key` may send the next request; 0 for now."""
        with self._lock:
            over = self._count(key, allowed) + 1 - allowed
        return ceil(max(over, 0) * WINDOW_SECONDS / allowed)

    def _count(self, key: Any, allowed: int) -> float:
        count, at = self._counts.get(key, (0.0, 0.0))
        return max(count - (self._clock() - at) * allowed / WINDOW_SECONDS, 0)


_refusals = Refusals()
clear = _refusals.clear


@contextmanager
def counted(user: User, *, is_preview: bool = False) -> Iterator[None]:
    """Count a refusal if the block raises one. Raise TooManyRefusals after too many."""
    key, allowed = (user.pk, is_preview), conf.MAX_REQUESTS_PER_MINUTE
    if allowed and (wait := _refusals.wait(key, allowed)):
        raise TooManyRefusals(
            _("%(allowed)d of your requests were refused within a minute. Try again in %(wait)d s.")
            % {"allowed": allowed, "wait": wait},
            allowed=allowed,
            retry_after=wait,
        )
    try:
        yield
    except (NotPermitted, OverLimit, RequestError):
        _refusals.add(key, allowed)
        raise
