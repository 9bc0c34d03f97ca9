"""Choose what is selected for each column, so that the database writes the text of values itself.

Otherwise, most of the time of an export goes into converting values to Python objects and these to
text. `dialects` has the SQL for the kinds whose text each database writes exactly. For all other
kinds, Django returns the value and Python writes the text. Fields that are not Django's own are
always read by Django.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, TextField
from django.db.models.expressions import BaseExpression, Col, Combinable, CombinedExpression
from django.db.models.functions import Cast

from exports.exporters import joins
from exports.formats.kinds import Field, Kind
from exports.readers import dialects
from exports.readers.decoders import COLUMN_DECODERS, DECODERS, STORED_DECODERS
from exports.readers.dialects import sql
from exports.readers.values import simple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from exports.exporters import Column
    from exports.readers.decoders import Decode, DecodeColumn

# Bits that hold all values of a field.
_INTEGERS = {
    "SmallIntegerField": 16,
    "PositiveSmallIntegerField": 16,
    "SmallAutoField": 16,
    "IntegerField": 32,
    "PositiveIntegerField": 32,
    "AutoField": 32,
    "BigIntegerField": 64,
    "PositiveBigIntegerField": 64,
    "BigAutoField": 64,
}
KINDS = {
    **dict.fromkeys(_INTEGERS, Kind.INTEGER),
    "CharField": Kind.TEXT,
    "TextField": Kind.TEXT,
    "SlugField": Kind.TEXT,
    "FileField": Kind.TEXT,
    "FilePathField": Kind.TEXT,
    "GenericIPAddressField": Kind.TEXT,
    "IPAddressField": Kind.TEXT,
    "FloatField": Kind.FLOAT,
    "DecimalField": Kind.DECIMAL,
    "BooleanField": Kind.BOOLEAN,
    "DateField": Kind.DATE,
    "DateTimeField": Kind.DATETIME,
    "TimeField": Kind.TIME,
    "DurationField": Kind.DURATION,
    "UUIDField": Kind.UUID,
    "BinaryField": Kind.BINARY,
    "JSONField": Kind.NESTED,
    "ArrayField": Kind.NESTED,
}


@dataclass(frozen=True)
class Reading:
    """How one column is read."""

    field: Field
    # The selected expressions or field paths: one, or the arguments of `function`.
    reads: tuple[Any, ...]
    # Converts a value that is not None to plain text. None if the value is plain text already.
    decode: Decode | None = None
    # A faster `decode` for a whole column. It returns None if a value needs `decode`.
    decode_column: DecodeColumn | None = None
    # The function of a Python column.
    function: Callable[..., Any] | None = None
    # For COPY: the expression that PostgreSQL writes as plain text. None if only Python can.
    copied: Any = None
    # Whether `copied` is cheap and always the same, so that the SQL may contain it twice.
    is_stored: bool = False


def project(queryset: QuerySet[Any], columns: Iterable[Column], vendor: str) -> list[Reading]:
    """Return how to read each of `columns` from `queryset` on a database of this `vendor`."""
    return [_reading(queryset, column, vendor) for column in columns]


def _reading(queryset: QuerySet[Any], column: Column, vendor: str) -> Reading:
    if column.python is not None:
        field = Field(str(column.header), Kind.VALUE)
        return Reading(field, tuple(column.needs), decode=simple, function=column.python)
    read: Any = column.name if column.expression is None else column.expression
    expression = F(read) if isinstance(read, str) else read
    resolved, _ = joins.resolved(queryset, expression)
    if resolved.contains_aggregate and joins.is_own_aggregate(queryset.model, expression):
        read = expression = joins.aggregate_subquery(
            queryset.model, expression, resolved.output_field
        )
    output = _target(resolved.output_field)
    kind = KINDS.get(output.get_internal_type(), Kind.VALUE)
    if not _is_djangos(output) or _converts(resolved):
        kind = Kind.VALUE
    is_stored = isinstance(resolved, Col)
    field = Field(str(column.header), kind, **(_size(output) if is_stored else {}))
    if vendor == "postgresql" and kind is not Kind.VALUE:
        # A stored DecimalField may be a column of type money, which needs a cast.
        is_typed = is_stored and kind is not Kind.DECIMAL
        typed = expression if is_typed else _typed(expression, resolved, kind)
        if write := dialects.POSTGRES.get(kind):
            text = write(typed, output)
            return Reading(field, (text,), copied=text, is_stored=is_stored)
        return Reading(field, (Cast(typed, TextField()),), copied=typed, is_stored=is_stored)
    kinds = dialects.SQLITE if is_stored else dialects.SQLITE_COMPUTED
    if vendor == "sqlite" and kind in kinds:
        text = dialects.SQLITE[kind](expression)
        decode, decode_column = STORED_DECODERS.get(kind), COLUMN_DECODERS.get(kind)
        return Reading(field, (text,), decode, decode_column)
    decode_column = COLUMN_DECODERS[kind] if kind is Kind.INTEGER else None
    return Reading(field, (read,), DECODERS[kind], decode_column)


def _size(field: models.Field[Any, Any]) -> dict[str, Any]:
    """Return the size of a field's values. Values computed from them may be larger."""
    return {
        "digits": getattr(field, "max_digits", None),
        "places": getattr(field, "decimal_places", None),
        "bits": _INTEGERS.get(field.get_internal_type(), 64),
    }


def _target(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    """Return the field that has the values: for a foreign key, the field that it refers to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def _is_djangos(field: models.Field[Any, Any]) -> bool:
    """Return whether a field stores its values unchanged. A custom field may encrypt them."""
    if isinstance(field, ArrayField):
        base = field.base_field
        # PostgreSQL writes these two differently in JSON.
        has_other_json = base.get_internal_type() in {"BinaryField", "DurationField"}
        return not has_other_json and _is_djangos(base)
    if isinstance(field, models.JSONField):
        return field.decoder is None and type(field) is models.JSONField
    return type(field).__module__.startswith("django.") and not hasattr(field, "from_db_value")


def _converts(expression: Any) -> bool:
    """Return whether an expression changes its values in Python, as Trunc does."""
    plain = inspect.getattr_static(BaseExpression, "convert_value")
    return inspect.getattr_static(type(expression), "convert_value", plain) is not plain


_WHOLE = {Combinable.ADD, Combinable.SUB, Combinable.MUL, Combinable.DIV, Combinable.MOD}


def _is_whole(expression: Any) -> bool:
    """Return whether PostgreSQL computes integers: from columns of integers, and sums of them."""
    if isinstance(expression, CombinedExpression):
        are_whole = _is_whole(expression.lhs) and _is_whole(expression.rhs)
        return expression.connector in _WHOLE and are_whole
    if isinstance(expression, models.Value):
        return isinstance(expression.value, int)
    return isinstance(expression, Col) and (
        _target(expression.output_field).get_internal_type() in _INTEGERS
    )


def _typed(expression: Any, resolved: Any, kind: Kind) -> Any:
    """Return `expression`, cast to the type that Django expects.

    For PostgreSQL, the average of integers is a decimal, and so is the second of a time.
    """
    if kind is Kind.INTEGER:
        truncated = sql("trunc((%(expressions)s)::numeric)")
        return expression if _is_whole(resolved) else truncated(expression)
    name = dialects.POSTGRES_TYPES.get(kind)
    return sql(f"(%(expressions)s)::{name}")(expression) if name else expression


def selected(queryset: QuerySet[Any], columns: Iterable[Any]) -> QuerySet[Any]:
    """Return `queryset.values_list(*columns)` with all rows, even with dangling foreign keys.

    Expressions get a name like `_column0`, because Django's own, like `f1`, may be that of a field.
    """
    expressions: dict[str, Any] = {}
    names: list[str] = []
    for each in columns:
        if isinstance(each, str):
            names.append(each)
        else:
            names.append(f"_column{len(expressions)}")
            expressions[names[-1]] = each
    values: QuerySet[Any] = queryset.annotate(**expressions).values_list(*names)
    joins.keep_rows(values, kept=joins.tables_of(queryset))
    return values
