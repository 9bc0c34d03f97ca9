"""Cut a query into parts: ranges of primary keys with a known number of rows each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import F, Window
from django.db.models.functions import Mod, RowNumber

if TYPE_CHECKING:
    from django.db.models import QuerySet


@dataclass(frozen=True)
class Range:
    """Keys in (after, upto], holding `rows` rows when it was planned."""

    after: Any  # None: from the first key
    upto: Any
    rows: int


def plan(queryset: QuerySet[Any], part_rows: int) -> list[Range]:
    """The rows of `queryset` in ranges of `part_rows`, the last one shorter. [] if empty.

    One pass over the keys in the database: every `part_rows`-th key ends a range. Any
    primary key that the database can order will do.
    """
    keys = queryset.order_by()
    numbered = keys.annotate(_row=Window(RowNumber(), order_by=F("pk").asc()))
    ends = numbered.annotate(_rest=Mod(F("_row"), part_rows)).filter(_rest=0)
    ranges: list[Range] = []
    after = None
    for key in ends.order_by("_row").values_list("pk", flat=True):
        ranges.append(Range(after, key, part_rows))
        after = key
    tail = keys if after is None else keys.filter(pk__gt=after)
    # The last key first: rows may be deleted between two queries.
    last = tail.order_by("-pk").values_list("pk", flat=True).first()
    if last is not None and (rows := tail.filter(pk__lte=last).count()):
        ranges.append(Range(after, last, rows))
    return ranges
