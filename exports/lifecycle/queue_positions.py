"""Publish the positions of queued exports."""

from __future__ import annotations

from exports.lifecycle.transitions import update_queued
from exports.models import Export
from exports.status import Status
from notifications.models import Retained

PUBLISHED = 100  # Exports at the head of the queue. Those behind them are updated later.


def publish_positions() -> int:
    """Publish the position of each queued export that has moved. Return how many have moved.

    An export that leaves the queue changes the positions of all exports behind it. beat publishes
    them every few seconds, because a write for each of them at each move would cost more.
    """
    queued = Export.objects.filter(status=Status.QUEUED).defer("params")
    first = queued.order_by("queued_at")[:PUBLISHED]
    current = {export.key: position for position, export in enumerate(first, start=1)}
    states = Retained.objects.filter(stream__name__in=current, key__in=current)
    published = dict(states.values_list("key", "data__queue_position"))
    moved = (export for export in first if published.get(export.key) != current[export.key])
    return sum(map(update_queued, moved))
