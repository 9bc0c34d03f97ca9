"""Tells those that wait for a worker where they are now."""

from __future__ import annotations

from django.db.models import F

from exports.lifecycle.announce import announce
from exports.models import Export
from exports.serialize import reload
from exports.status import Status
from notifications.models import Retained
from notifications.writing import atomic

TOLD = 100  # exports that wait; who is behind them will be told when it is nearer


def publish_positions() -> int:
    """Tell those that wait where they are now, if that is not what they were told last.

    An export that leaves the queue changes the position of all behind it. That is not worth a
    write for each of them each time: beat does it, every few seconds. Returns how many.
    """
    queued = Export.objects.filter(status=Status.QUEUED).defer("params")
    waiting = queued.order_by("queued_at")[:TOLD]
    place = {export.key: position for position, export in enumerate(waiting, start=1)}
    last = Retained.objects.filter(stream__name__in=place, key__in=place)
    told = dict(last.values_list("key", "data__queue_position"))
    moved = [each for each in waiting if told.get(each.key) != place[each.key]]
    return sum(_tell_again(export) for export in moved)


@atomic()
def _tell_again(export: Export) -> bool:
    here = Export.objects.filter(pk=export.pk, status=Status.QUEUED)
    if not here.update(version=F("version") + 1):
        return False  # It does not wait any more, and that was told.
    reload(export)
    announce(export)
    return True
