"""Cut a query into parts: ranges of primary keys with a known number of rows each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Value, Window
from django.db.models.functions import Mod, RowNumber

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model, QuerySet

    from exports.engine.source import Source

PAGE = 2_000  # keys fetched at once


@dataclass(frozen=True)
class Range:
    """Keys in (after, upto], holding `rows` rows when it was planned."""

    after: Any  # None: from the first key
    upto: Any
    rows: int


def plan(source: Source, queryset: QuerySet[Any], part_rows: int) -> list[Range]:
    """The rows of `queryset` in ranges of `part_rows`, the last one shorter. [] if empty.

    One pass over the keys in the database: every `part_rows`-th key ends a range. Any
    primary key that the database can order will do, one of several fields too.
    """
    keys = queryset.order_by()
    with source.reading():
        ranges: list[Range] = []
        after = None
        for key in _keys(source, _every(keys, part_rows)):
            ranges.append(Range(after, key, part_rows))
            after = key
        tail = keys if after is None else keys.filter(pk__gt=after)
        # The last key first: rows may be deleted between two queries.
        for last in _keys(source, tail.order_by("-pk").values_list("pk")[:1]):
            rows = _count(source, tail.filter(pk__lte=last))
            ranges += [Range(after, last, rows)] if rows else []
        return ranges


def _every(keys: QuerySet[Any], part_rows: int) -> QuerySet[Any]:
    """Of all keys in order, every `part_rows`-th."""
    order = [F(field.attname).asc() for field in keys.model._meta.pk_fields]
    numbered = keys.annotate(_row=Window(RowNumber(), order_by=order))
    ends = numbered.annotate(_rest=Mod(F("_row"), part_rows)).filter(_rest=0)
    every: QuerySet[Any] = ends.order_by("_row").values_list("pk")
    return every


def _keys(source: Source, queryset: QuerySet[Any]) -> Iterable[Any]:
    return [row[0] for page in source.pages(queryset, PAGE) for row in page]


def _count(source: Source, queryset: QuerySet[Any]) -> int:
    """How many rows. QuerySet.count() asks over another connection."""
    counted = queryset.values(_all=Value(1)).annotate(_count=Count("*")).values_list("_count")
    return sum(row[0] for page in source.pages(counted, 1) for row in page)


# -- Keys as text, for the table of parts ---------------------------------------------------


def key_text(model: type[Model], key: Any) -> str:
    """A primary key as `read_key` reads it back: exactly."""
    fields = model._meta.pk_fields
    return str(key) if len(fields) == 1 else json.dumps([str(each) for each in key])


def read_key(model: type[Model], text: str) -> Any:
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return fields[0].to_python(text)
    parts = zip(fields, json.loads(text), strict=True)
    return tuple(field.to_python(each) for field, each in parts)
