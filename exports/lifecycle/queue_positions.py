"""Publish the positions of queued exports."""

from __future__ import annotations

from exports.lifecycle.transitions import update_queued
from exports.models import Export
from exports.status import Status
from notifications.models import Retained

PUBLISHED = 100  # Exports at the head of the queue. Those behind them are updated later.


def publish_positions() -> int:
    """Publish the position of each queued export that has moved. Return how many there were.

    An export that leaves the queue changes the position of all others behind it. beat publishes
    them every few seconds, because that costs less than a write for each of them each time.
    """
    queued = Export.objects.filter(status=Status.QUEUED).defer("params")
    first = queued.order_by("queued_at")[:PUBLISHED]
    place = {export.key: position for position, export in enumerate(first, start=1)}
    last = Retained.objects.filter(stream__name__in=place, key__in=place)
    published = dict(last.values_list("key", "data__queue_position"))
    return sum(
        update_queued(export) for export in first if published.get(export.key) != place[export.key]
    )
