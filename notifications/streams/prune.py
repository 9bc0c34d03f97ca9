"""Remove events and values that are older than the retention, and raise the stream's `floor`.

Pruning is safe while all processes run: it uses small transactions, and each locks the row of one
stream for a moment. A client whose cursor is below the floor gets a `reset` when it reconnects.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from notifications.conf import conf
from notifications.models import Retained, Stream
from notifications.writing import atomic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

BATCH = 1_000  # Rows in one transaction.
USER_AND_TEAM_PREFIXES = ("user-", "team-")


@dataclass
class Pruned:
    """The numbers of rows that were removed from one stream."""

    stream: str
    events: int = 0
    values: int = 0


def prune(
    before: datetime, batch: int = BATCH, *, prefixes: Collection[str] = ()
) -> Iterator[Pruned]:
    """Remove events and retained values that were last written before `before`. Streams stay.

    With `prefixes`, prune only streams whose names begin with one of them. Yield a result for
    each stream that had old rows.
    """
    for pk, name in list(Stream.objects.order_by("name").values_list("pk", "name")):
        if prefixes and not name.startswith(tuple(prefixes)):
            continue
        done = Pruned(name)
        while removed := _prune_events(pk, before, batch):
            done.events += removed
        while removed := _prune_values(pk, before, batch):
            done.values += removed
        if done.events or done.values:
            yield done


def prune_old() -> int:
    """Remove old events and values of users and teams. Return the number of affected streams.

    Streams of exports are not pruned here, because they are deleted with their export.
    """
    before = timezone.now() - timedelta(days=conf.RETENTION_DAYS)
    return sum(1 for _ in prune(before, prefixes=USER_AND_TEAM_PREFIXES))


def forget(name: str, batch: int = BATCH) -> None:
    """Delete a stream with all of its rows, in small transactions.

    Call this when no code writes to the stream any more. A later write would create it again.
    """
    now = timezone.now()
    with suppress(Stream.DoesNotExist):  # Another process may have deleted it first.
        stream = Stream.objects.get(name=name)
        removed = 1
        while removed:
            removed = _prune_events(stream.pk, now, batch) + _prune_values(stream.pk, now, batch)
        stream.delete()


@atomic()
def _prune_events(stream_id: int, before: datetime, batch: int) -> int:
    """Remove the events before the first one that must stay, so that offsets stay gapless."""
    stream = Stream.objects.select_for_update().get(pk=stream_id)
    kept = stream.events.filter(at__gte=before).order_by("offset")
    first_kept = kept.values_list("offset", flat=True).first()
    last = stream.head if first_kept is None else first_kept - 1
    last = min(last, stream.floor + batch)
    if last <= stream.floor:
        return 0
    Stream.objects.filter(pk=stream_id).update(floor=last)
    stream.events.filter(offset__lte=last).delete()
    return last - stream.floor


@atomic()
def _prune_values(stream_id: int, before: datetime, batch: int) -> int:
    # The lock keeps other transactions from writing a value that is about to be deleted.
    Stream.objects.select_for_update().get(pk=stream_id)
    old = Retained.objects.filter(stream=stream_id, at__lt=before).values("pk")[:batch]
    removed, _ = Retained.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()
    return removed
