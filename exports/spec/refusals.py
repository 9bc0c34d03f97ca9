"""Limit the refused requests of each user with a token bucket.

Accepted requests are counted in the database (`lifecycle.limits`). A refused one leaves no row, but
parsing and checking it takes time. So each process counts refusals in memory. A user may have
EXPORTS_MAX_REQUESTS_PER_MINUTE at once, and as many again each minute; after that the next request
gets 429 before it is checked. Previews are counted separately, because a page requests them while
its user types, and that must not keep the user from starting an export.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager
from math import ceil, inf
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from exports.conf import conf
from exports.exceptions import NotPermitted, OverLimit, RequestError, TooManyRefusals
from notifications.protocol.rate_limits import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

WINDOW_SECONDS = 60
MAX_KEYS = 10_000  # Beyond this, the least recently refused users are forgotten.


class Refusals:
    """A token bucket for each key. A refusal takes a token. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[Any, Bucket] = OrderedDict()

    def clear(self) -> None:
        with self._lock:
            self._buckets.clear()

    def add(self, key: Any, allowed: int) -> None:
        """Count a refusal for `key`, which may have `allowed` refusals in the window."""
        with self._lock:
            new = Bucket(allowed, allowed / WINDOW_SECONDS, self._clock)
            self._buckets.setdefault(key, new).charge(1, max_debt=inf)
            self._buckets.move_to_end(key)
            while len(self._buckets) > MAX_KEYS:
                self._buckets.popitem(last=False)

    def wait(self, key: Any) -> int:
        """Return the seconds until the user of `key` may send the next request; 0 for now."""
        with self._lock:
            bucket = self._buckets.get(key)
            return ceil(bucket.seconds_until(1)) if bucket else 0


_refusals = Refusals()
clear = _refusals.clear


@contextmanager
def count_refusals(user: User, *, is_preview: bool = False) -> Iterator[None]:
    """Count a refusal if the block raises one. Raise TooManyRefusals after too many."""
    allowed = conf.MAX_REQUESTS_PER_MINUTE
    # With `allowed`, because a bucket keeps the size that it was created with.
    key = (user.pk, is_preview, allowed)
    if allowed and (wait := _refusals.wait(key)):
        raise TooManyRefusals(
            _("%(allowed)d of your requests were refused within a minute. Try again in %(wait)d s.")
            % {"allowed": allowed, "wait": wait},
            allowed=allowed,
            retry_after=wait,
        )
    try:
        yield
    except (NotPermitted, OverLimit, RequestError):
        if allowed:
            _refusals.add(key, allowed)
        raise
