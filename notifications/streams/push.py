"""Pushes over the channel layer to the hubs of the web processes. A push may get lost.

There are two kinds: new items of streams, and users whose rights may have changed. All pushes of a
transaction are sent together, after its commit. A push raises no error, and delays its caller only
briefly: it has a short timeout, and a failure pauses pushes for a while. Within seconds, hubs find
in the tables the items that were not pushed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from channels.layers import get_channel_layer
from django.db import transaction

from notifications.conf import conf
from notifications.streams import push_loop, signed
from notifications.writing import alias, on_commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from notifications.streams.items import Item

logger = logging.getLogger(__name__)

TIMEOUT = 1.0  # Seconds for all messages of one transaction.
# After a failure, pushes pause for RETRY_AFTER seconds, and the next one has PROBE_TIMEOUT seconds.
# When the layer is back, pushes resume within three seconds, which is the interval of sweeps. While
# the layer is down, a process that publishes all the time loses less than a tenth of its time.
RETRY_AFTER = 2.5
PROBE_TIMEOUT = 0.25
# A message about more items has no items, but only the new position of the stream.
MAX_ITEMS = 100
# A message about more users is replaced by one about all users, to keep it small.
MAX_USERS = 100
# The group of all hubs. No stream can have this name, because its kind has no rule.
RECHECK_GROUP = "waybill.recheck"
RECHECK = "stream.recheck"  # The type of messages about users whose rights may have changed.

_retry_at = 0.0  # No push before this time. Zero after a successful push.
_is_muted = False
# The pushes of this process: sent, failed, and skipped because of a recent failure.
counters = {"sent": 0, "failed": 0, "skipped": 0}


class RightsChanged(NamedTuple):
    """The rights of `user`, or of all users (None), may have changed.

    `again` requests a second check a moment later, because the change may not be stored yet.
    """

    user: str | None
    again: bool = False


class Outbox:
    """Collects the pushes of one transaction."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.changes: list[RightsChanged] = []

    def push(self) -> None:
        send(messages(self.items) | recheck_message(self.changes))


def after_commit(items: Iterable[Item] = (), *, changes: Iterable[RightsChanged] = ()) -> None:
    """Push items and changes of rights when the transaction commits; drop them on a rollback.

    All pushes of a transaction are sent together, with one message for each group.
    """
    pending = _pending_outbox()
    outbox = pending or Outbox()
    outbox.items.extend(items)
    outbox.changes.extend(changes)
    if pending is None:
        on_commit(outbox.push)  # Outside of a transaction, this pushes at once.


def _pending_outbox() -> Outbox | None:
    """Return the outbox of the running transaction, if it has one."""
    connection = transaction.get_connection(alias())
    # None stands for an atomic block without a savepoint, which cannot be rolled back alone.
    savepoints = set(connection.savepoint_ids) - {None}
    # Each set of savepoints has its own outbox, because Django drops callbacks by these sets. So
    # the rollback of a savepoint drops exactly the items that were added inside it.
    for registered, hook, _ in connection.run_on_commit:
        outbox = getattr(hook, "__self__", None)
        if isinstance(outbox, Outbox) and registered - {None} == savepoints:
            return outbox
    return None


@contextmanager
def muted() -> Iterator[None]:
    """Push nothing from this process inside the block. For use while the layer does not run yet."""
    global _is_muted  # noqa: PLW0603 - one switch for the process, like the circuit breaker
    _is_muted = True
    try:
        yield
    finally:
        _is_muted = False


def push(items: list[Item]) -> bool:
    """Send `items` to the groups of their streams. Return False if they may not arrive."""
    return send(messages(items))


def send(outgoing: dict[str, dict[str, Any]]) -> bool:
    """Send each group its message. Return False if the messages may not arrive."""
    global _retry_at  # noqa: PLW0603 - the circuit breaker of this process
    if _is_muted or time.monotonic() < _retry_at:
        counters["skipped"] += 1
        return False
    try:
        push_loop.run(_send_within(PROBE_TIMEOUT if _retry_at else TIMEOUT, outgoing))
    # Any exception of the layer is harmless here: the rows are committed, and a sweep finds them.
    except Exception as error:  # noqa: BLE001
        _retry_at = time.monotonic() + RETRY_AFTER
        counters["failed"] += 1
        logger.warning("A push failed; streams will catch up from the database: %r", error)
        return False
    _retry_at = 0.0
    counters["sent"] += 1
    return True


def is_failing() -> bool:
    """Return whether the last push of this process failed."""
    return _retry_at > 0


def messages(items: list[Item]) -> dict[str, dict[str, Any]]:
    """Return one message for the group of each stream."""
    streams: dict[str, list[Item]] = {}
    for item in items:
        streams.setdefault(item.stream, []).append(item)
    return {
        name: {
            "type": "stream.push",
            "stream": name,
            "epoch": group[-1].position.epoch,
            "offset": max(item.position.offset for item in group),
            "revision": max(item.position.revision for item in group),
            "items": [item.to_message() for item in group] if len(group) <= MAX_ITEMS else [],
        }
        for name, group in streams.items()
    }


def recheck_message(changes: Iterable[RightsChanged]) -> dict[str, dict[str, Any]]:
    """Return one message for all hubs, or none. Its `users` is None for all users."""
    users = {change.user for change in changes}
    if not users:
        return {}
    all_users = None in users or len(users) > MAX_USERS
    return {
        RECHECK_GROUP: {
            "type": RECHECK,
            "users": None if all_users else sorted(map(str, users)),
            "again": any(change.again for change in changes),
        }
    }


async def _send_within(seconds: float, outgoing: dict[str, dict[str, Any]]) -> None:
    async with asyncio.timeout(seconds):
        await _send(outgoing)


async def _send(outgoing: dict[str, dict[str, Any]]) -> None:
    channel_layer: Any = get_channel_layer(conf.CHANNEL_LAYER)
    for group, message in outgoing.items():
        await channel_layer.group_send(group, signed.sign(message))
