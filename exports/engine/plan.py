"""Cut a query into parts: ranges of primary keys with a known number of rows each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db.models import BigIntegerField, F, Value, Window
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import RowNumber

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    if keys.query.group_by is not None:  # A window over groups: Django would group by it.
        manager = keys.model._base_manager
        keys = manager.using(keys.db).filter(pk__in=keys.values("pk"))
    with source.reading():
        ranges: list[Range] = []
        after = None
        # Not Mod(): it counts in numerics, at half the speed.
        rest = CombinedExpression(F("_row"), "%%", Value(part_rows), BigIntegerField())
        ends = _numbered(keys).annotate(_rest=rest).filter(_rest=0)
        # Sorted here: PostgreSQL would sort all rows, on disk, before it takes these few.
        for key, _ in sorted(_read(source, ends), key=itemgetter(1)):
            ranges.append(Range(after, key, part_rows))
            after = key
        tail = keys if after is None else keys.filter(pk__gt=after)
        # The number of the last one is how many there are, as of the same moment.
        for last, rows in _read(source, _numbered(tail).order_by("-_row")[:1]):
            ranges.append(Range(after, last, rows))
        return ranges


def _numbered(keys: QuerySet[Any]) -> QuerySet[Any]:
    """All keys with their places in the order of keys."""
    order = [F(field.attname).asc() for field in keys.model._meta.pk_fields]
    numbered: QuerySet[Any] = keys.annotate(_row=Window(RowNumber(), order_by=order))
    return numbered


def _read(source: Source, numbered: QuerySet[Any]) -> Iterator[tuple[Any, int]]:
    """Keys and their places."""
    # Field by field: with a filter on a window, Django loses all but the first of several.
    names = [field.attname for field in numbered.model._meta.pk_fields]
    for page in source.pages(numbered.values_list(*names, "_row"), PAGE):
        for *key, row in page:
            yield key[0] if len(key) == 1 else tuple(key), row


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
