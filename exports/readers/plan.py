"""Cut a query into parts: ranges of primary keys with a known number of rows each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import itemgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from django.db.models import BigIntegerField, F, Field, ForeignKey, Value, Window
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import RowNumber

from exports.exceptions import RepeatedKey
from exports.exporters.joins import every_row
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import Model, QuerySet

    from exports.readers.connection import Source

PAGE = 2_000  # keys fetched at once
ALL = 2**31 - 1  # rows; as far as PostgreSQL counts in one step


@dataclass(frozen=True)
class Range:
    """Keys in (after, upto], holding `rows` rows when it was planned."""

    after: Any  # None: from the first key
    upto: Any
    rows: int

    def of(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of `queryset` in this range."""
        found = queryset.filter(pk__lte=self.upto)
        return found if self.after is None else found.filter(pk__gt=self.after)


def plan(source: Source, queryset: QuerySet[Any], part_rows: int) -> list[Range]:
    """The rows of `queryset` in ranges of `part_rows`, the last one shorter. [] if empty.

    One pass over the keys in the database: every `part_rows`-th key ends a range. Any
    primary key that the database can order will do, one of several fields too. Rows that
    are sorted are one range: their order says nothing about where they begin and end.
    """
    if queryset.query.order_by:
        part_rows = ALL
    keys = without_columns(queryset)
    ends = _by_stepping if source.is_postgres else _by_numbering
    ranges: list[Range] = []
    after = None
    with source.reading(rows=False):
        refuse_repeated(source, keys)
        for upto, rows in ends(source, keys, part_rows):
            ranges.append(Range(after, upto, rows))
            after = upto
    return ranges


def refuse_repeated(source: Source, keys: QuerySet[Any]) -> None:
    """Raises RepeatedKey for a view whose rows do not have a key of their own each.

    To be called in the block of `reading`. Of a table of Django's, the database sees to that.
    """
    meta = keys.model._meta
    # A proxy counts as managed, and a child in a table of its own has the key of its parent.
    models = [meta.concrete_model, *meta.all_parents]
    if all(model._meta.managed for model in models if model is not None):
        return
    names = _names(keys)
    found = keys.order_by().values_list(*names)
    rows, distinct = source.count(found), source.count(found.distinct())
    # Of the whole view: a condition on keys leaves those out that are NULL.
    view = every_row(keys.model, keys.db)
    if rows != distinct or source.count(view.filter(pk__isnull=True).values_list(*names)):
        raise RepeatedKey(
            Message(
                'The key "%(key)s" of %(model)s is not unique: %(rows)s rows have %(distinct)s '
                "keys, or one key is NULL. Give the model a unique primary key, for example "
                "row_number() in its view.",
                key=", ".join(names),
                model=meta.label,
                rows=rows,
                distinct=distinct,
            )
        )


def without_columns(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """The rows of `queryset` in no order, for queries that read nothing but their keys."""
    keys = queryset.order_by()
    if keys.query.group_by is not None:
        # Only the keys of groups: Django would group by whatever is added.
        keys = every_row(keys.model, keys.db).filter(pk__in=keys.values("pk"))
    return keys


def count(source: Source, queryset: QuerySet[Any], keys: Range) -> int:
    """How many rows of `queryset` there are in the range of `keys` now."""
    found = keys.of(without_columns(queryset))
    return source.count(found.values_list(*_names(found)))


def _by_stepping(source: Source, keys: QuerySet[Any], part_rows: int) -> Iterator[tuple[Any, int]]:
    """The last key of each range, and how many rows it has: the server steps from one to the next.

    A third of what numbering costs there, and the same pass over the index.
    """
    names = _names(keys)
    found, rest = source.every(keys.order_by(*names).values_list(*names), part_rows)
    ends = [_key(row) for row in found]
    for end in ends:
        yield end, part_rows
    if rest:
        tail = keys.filter(pk__gt=ends[-1]) if ends else keys
        last = tail.order_by(*(f"-{name}" for name in names)).values_list(*names)[:1]
        for [row] in source.pages(last, 1):
            yield _key(row), rest


def _by_numbering(source: Source, keys: QuerySet[Any], part_rows: int) -> Iterator[tuple[Any, int]]:
    """The same, by the places of all keys in their order."""
    after = None
    # Not Mod(): it is a function that SQLite calls back in Python.
    rest = CombinedExpression(F("_row"), "%%", Value(part_rows), BigIntegerField())
    ends = _numbered(keys).annotate(_rest=rest).filter(_rest=0)
    # Sorted here: the database would sort all rows before it takes these few.
    for key, _ in sorted(_read(source, ends), key=itemgetter(1)):
        yield key, part_rows
        after = key
    tail = keys if after is None else keys.filter(pk__gt=after)
    # The number of the last one is how many there are, as of the same moment.
    yield from _read(source, _numbered(tail).order_by("-_row")[:1])


def _numbered(keys: QuerySet[Any]) -> QuerySet[Any]:
    """All keys with their places in the order of keys."""
    order = [F(name).asc() for name in _names(keys)]
    numbered: QuerySet[Any] = keys.annotate(_row=Window(RowNumber(), order_by=order))
    return numbered


def _read(source: Source, numbered: QuerySet[Any]) -> Iterator[tuple[Any, int]]:
    """Keys and their places."""
    for page in source.pages(numbered.values_list(*_names(numbered), "_row"), PAGE):
        for *key, row in page:
            yield _key(key), row


def _names(keys: QuerySet[Any]) -> list[str]:
    # Field by field: with a filter on a window, Django loses all but the first of several.
    return [field.attname for field in keys.model._meta.pk_fields]


def _key(row: Sequence[Any]) -> Any:
    return row[0] if len(row) == 1 else tuple(row)


# -- Keys as text, for the table of parts ---------------------------------------------------


def key_text(model: type[Model], key: Any) -> str:
    """A primary key as `read_key` reads it back: exactly."""
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return _text(fields[0], key)
    return json.dumps([_text(*each) for each in zip(fields, key, strict=True)])


def _text(field: Field[Any, Any], key: Any) -> str:
    """As Django's serializers write a value of `field`, whose to_python() reads that back."""
    while isinstance(field, ForeignKey):
        field = field.target_field
    return str(field.value_to_string(cast("Model", SimpleNamespace(**{field.attname: key}))))


def read_key(model: type[Model], text: str) -> Any:
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return fields[0].to_python(text)
    parts = zip(fields, json.loads(text), strict=True)
    return tuple(field.to_python(each) for field, each in parts)
