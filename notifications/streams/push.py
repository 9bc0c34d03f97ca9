"""The push over the channel layer: a hint that arrives sooner, and may get lost.

There are two kinds: what is new in a stream, and whose rights may have changed. All of one
transaction goes out together, after its commit. A push can never fail or slow its caller: it
has a short time-out, and after a failure none is tried for a while. What was not pushed is
found in the tables within seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from notifications.conf import conf
from notifications.streams import signed
from notifications.writing import alias, on_commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from notifications.streams.items import Item

logger = logging.getLogger(__name__)

TIMEOUT = 1.0  # seconds for all groups of one transaction
# Pushes are back within three seconds of the layer, as a sweep would be. Until then it costs
# who publishes all the time less than a tenth of it.
RETRY_AFTER = 2.5  # seconds without a try after a failure
PROBE_TIMEOUT = 0.25  # seconds for the next try
# A larger message goes out without its items: a hint of where the stream stands.
MAX_ITEMS = 100
# More users than this are everybody: a message has to be small.
MAX_USERS = 100
# All hubs are in this group of the channel layer. No stream is: it is of no kind.
RECHECK_GROUP = "waybill.recheck"
RECHECK = "stream.recheck"  # The type of a message that tells whose rights may have changed.

_retry_at = 0.0  # Zero after a push that arrived.
_is_muted = False
# Pushes of this process: sent, failed, and not tried because one had just failed.
counters = {"sent": 0, "failed": 0, "skipped": 0}


class RightsChanged(NamedTuple):
    """Whose rights may have changed (None: everybody's). `again`: the change may be yet to come."""

    user: str | None
    again: bool = False


class Outbox:
    """What one transaction will push."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.changes: list[RightsChanged] = []

    def push(self) -> None:
        send(messages(self.items) | recheck_message(self.changes))


def after_commit(items: Iterable[Item] = (), *, changes: Iterable[RightsChanged] = ()) -> None:
    """Push these when the running transaction commits; drop them if it rolls back.

    All of one transaction goes out together, one message a group.
    """
    pending = _pending_outbox()
    outbox = pending or Outbox()
    outbox.items.extend(items)
    outbox.changes.extend(changes)
    if pending is None:
        on_commit(outbox.push)  # At once, outside of a transaction.


def _pending_outbox() -> Outbox | None:
    """The running transaction's, if there is one already."""
    connection = transaction.get_connection(alias())
    # None is a block without a savepoint of its own: nothing is rolled back to it.
    savepoints = set(connection.savepoint_ids) - {None}
    # A hook is kept per set of savepoints, as Django does: rolling one back forgets
    # what was appended inside it and nothing else.
    for registered, hook, _ in connection.run_on_commit:
        outbox = getattr(hook, "__self__", None)
        if isinstance(outbox, Outbox) and registered - {None} == savepoints:
            return outbox
    return None


@contextmanager
def muted() -> Iterator[None]:
    """Push nothing from this process meanwhile: before a layer is there, and anybody listens."""
    global _is_muted  # noqa: PLW0603 - of this process, as the breaker is
    _is_muted = True
    try:
        yield
    finally:
        _is_muted = False


def push(items: list[Item]) -> bool:
    """Send `items` to the groups of their streams now. False if they may not arrive."""
    return send(messages(items))


def send(outgoing: dict[str, dict[str, Any]]) -> bool:
    """Send each group its message now. False if they may not arrive."""
    global _retry_at  # noqa: PLW0603 - the circuit breaker of this process
    if _is_muted or time.monotonic() < _retry_at:
        counters["skipped"] += 1
        return False
    try:
        async_to_sync(_send_within)(PROBE_TIMEOUT if _retry_at else TIMEOUT, outgoing)
    # Whatever the layer raises, the facts are committed, and the sweep will bring them.
    except Exception as error:  # noqa: BLE001
        _retry_at = time.monotonic() + RETRY_AFTER
        counters["failed"] += 1
        logger.warning("A push failed; streams will catch up from the database: %r", error)
        return False
    _retry_at = 0.0
    counters["sent"] += 1
    return True


def is_failing() -> bool:
    """Whether the last push of this process failed, and none has arrived since."""
    return _retry_at > 0


def messages(items: list[Item]) -> dict[str, dict[str, Any]]:
    """One message for each stream's group."""
    streams: dict[str, list[Item]] = {}
    for item in items:
        streams.setdefault(item.stream, []).append(item)
    return {
        name: {
            "type": "stream.push",
            "stream": name,
            "epoch": steps[-1].position.epoch,
            "offset": max(step.position.offset for step in steps),
            "revision": max(step.position.revision for step in steps),
            "items": [step.to_message() for step in steps] if len(steps) <= MAX_ITEMS else [],
        }
        for name, steps in streams.items()
    }


def recheck_message(changes: Iterable[RightsChanged]) -> dict[str, dict[str, Any]]:
    """One message for all hubs, or none. Its `users` is None for everybody."""
    users = {change.user for change in changes}
    if not users:
        return {}
    everybody = None in users or len(users) > MAX_USERS
    return {
        RECHECK_GROUP: {
            "type": RECHECK,
            "users": None if everybody else sorted(map(str, users)),
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
