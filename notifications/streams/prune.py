"""Remove events that are older than anybody wants them, and say so in `floor`.

In small transactions, each of which holds one stream's row for a moment: safe while
everything runs. A client whose cursor is below the floor is told `reset` when it comes back.
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

BATCH = 1_000  # rows a transaction
USER_AND_TEAM_PREFIXES = ("user-", "team-")


@dataclass
class Pruned:
    """What was removed from one stream."""

    stream: str
    events: int = 0
    values: int = 0


def prune(before: datetime, batch: int = BATCH, *, kinds: Collection[str] = ()) -> Iterator[Pruned]:
    """Remove what was written before that moment, and not since; streams stay.

    Retained values go when nobody has touched them for as long. `kinds` are prefixes of names:
    with them, other streams are left out.
    """
    for pk, name in list(Stream.objects.order_by("name").values_list("pk", "name")):
        if kinds and not name.startswith(tuple(kinds)):
            continue
        done = Pruned(name)
        while removed := _prune_events(pk, before, batch):
            done.events += removed
        while removed := _prune_values(pk, before, batch):
            done.values += removed
        if done.events or done.values:
            yield done


def prune_old() -> int:
    """Remove old events and values of users and teams. Return how many streams had some.

    Their streams are never deleted as a whole; those of exports go with the export.
    """
    before = timezone.now() - timedelta(days=conf.RETENTION_DAYS)
    return sum(1 for _ in prune(before, kinds=USER_AND_TEAM_PREFIXES))


def forget(name: str, batch: int = BATCH) -> None:
    """Remove a stream with all that is in it, in small steps: what it told of is no more.

    Nobody should write to it any more: the next to do so would make it anew.
    """
    now = timezone.now()
    with suppress(Stream.DoesNotExist):  # Somebody else has been quicker.
        stream = Stream.objects.get(name=name)
        removed = 1
        while removed:
            removed = _prune_events(stream.pk, now, batch) + _prune_values(stream.pk, now, batch)
        stream.delete()


@atomic()
def _prune_events(stream_id: int, before: datetime, batch: int) -> int:
    """Remove the oldest events, up to the first that is kept: offsets stay gapless."""
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
    # With the row locked, nobody gives a value its next revision meanwhile.
    Stream.objects.select_for_update().get(pk=stream_id)
    old = Retained.objects.filter(stream=stream_id, at__lt=before).values("pk")[:batch]
    removed, _ = Retained.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()
    return removed
