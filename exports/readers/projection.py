"""What the database is asked for, so that it makes the text of the values itself.

Most of the time of an export in Python goes into values that become objects and then text
again. A database that writes the very text is not asked for the value: `dialects` says
which ones those are, for each database. For all others Django gives the value, and Python
the text. A field that is not Django's own is always left to Django.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, TextField
from django.db.models.expressions import BaseExpression, Col, Combinable, CombinedExpression
from django.db.models.functions import Cast

from exports.exporters import joins
from exports.formats.kinds import Field, Kind
from exports.readers import dialects
from exports.readers.decodes import AT_ONCE, DECODES, STORED
from exports.readers.dialects import sql
from exports.readers.values import simple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from exports.exporters import Column
    from exports.readers.decodes import AtOnce, Decode

_TEXTS = (
    *("CharField", "TextField", "SlugField", "FileField", "FilePathField"),
    *("GenericIPAddressField", "IPAddressField"),
)
_INTEGERS = {
    **dict.fromkeys(("SmallIntegerField", "PositiveSmallIntegerField", "SmallAutoField"), 16),
    **dict.fromkeys(("IntegerField", "PositiveIntegerField", "AutoField"), 32),
    **dict.fromkeys(("BigIntegerField", "PositiveBigIntegerField", "BigAutoField"), 64),
}
KINDS = {
    **dict.fromkeys(_TEXTS, Kind.TEXT),
    **dict.fromkeys(_INTEGERS, Kind.INTEGER),
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
    # What is selected for it: an expression, a field path, or the arguments of `function`.
    reads: tuple[Any, ...]
    # Makes the plain text of a value that is not None; none where it is text already.
    decode: Decode | None = None
    # The same for a whole column, if nothing in it is odd.
    at_once: AtOnce | None = None
    # The function of a Python column.
    function: Callable[..., Any] | None = None
    # For COPY: what PostgreSQL itself writes as the plain text. None if only Python can.
    copied: Any = None
    # Whether `copied` is cheap and the same each time, so that it may be asked for twice.
    is_stored: bool = False


def project(queryset: QuerySet[Any], columns: Iterable[Column], vendor: str) -> list[Reading]:
    """How each of `columns` is read from `queryset` on a database of that `vendor`."""
    return [_reading(queryset, column, vendor) for column in columns]


def _reading(queryset: QuerySet[Any], column: Column, vendor: str) -> Reading:
    if column.python is not None:
        field = Field(str(column.header), Kind.VALUE)
        return Reading(field, column.needs, decode=simple, function=column.python)
    read: Any = column.name if column.expression is None else column.expression
    asked = F(read) if isinstance(read, str) else read
    resolved, _ = joins.resolved(queryset, asked)
    if resolved.contains_aggregate and joins.is_own_aggregate(queryset.model, asked):
        read = asked = joins.isolated(queryset.model, asked, resolved.output_field)
    output = _target(resolved.output_field)
    kind = KINDS.get(output.get_internal_type(), Kind.VALUE)
    if not _is_djangos(output) or _converts(resolved):
        kind = Kind.VALUE
    is_stored = isinstance(resolved, Col)
    field = Field(str(column.header), kind, **(_size(output) if is_stored else {}))
    if vendor == "postgresql" and kind in dialects.POSTGRES:
        # A column of money is a decimal, too, if it is asked to be one.
        is_typed = is_stored and kind is not Kind.DECIMAL
        typed = asked if is_typed else _typed(asked, resolved, kind)
        made = dialects.POSTGRES[kind](typed, output)
        cast = made if kind in dialects.MADE_AS_TEXT else Cast(made, TextField())
        return Reading(field, (cast,), copied=made, is_stored=is_stored)
    if vendor == "sqlite" and kind in (dialects.SQLITE if is_stored else dialects.SQLITE_MAKES):
        made = dialects.SQLITE[kind](asked)
        return Reading(field, (made,), decode=STORED.get(kind), at_once=AT_ONCE.get(kind))
    at_once = AT_ONCE.get(kind) if kind is Kind.INTEGER else None
    return Reading(field, (read,), decode=DECODES[kind], at_once=at_once)


def _size(field: models.Field[Any, Any]) -> dict[str, Any]:
    """How large its values are. What is computed from them may be larger: a sum is."""
    return {
        "digits": getattr(field, "max_digits", None),
        "places": getattr(field, "decimal_places", None),
        "bits": _INTEGERS.get(field.get_internal_type(), 64),
    }


def _target(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    """The field that holds the values: a foreign key has those of another."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


_OTHER_IN_JSON = {"BinaryField", "DurationField"}


def _is_djangos(field: models.Field[Any, Any]) -> bool:
    """Whether what it stores is what it gives: a field of somebody's own may encrypt."""
    if isinstance(field, ArrayField):
        base = field.base_field
        # In JSON PostgreSQL writes these in a form of its own.
        return base.get_internal_type() not in _OTHER_IN_JSON and _is_djangos(base)
    if isinstance(field, models.JSONField):
        return field.decoder is None and type(field) is models.JSONField
    return type(field).__module__.startswith("django.") and not hasattr(field, "from_db_value")


def _converts(expression: Any) -> bool:
    """Whether the expression, as dates that are truncated do, changes values in Python."""
    plain = inspect.getattr_static(BaseExpression, "convert_value")
    return inspect.getattr_static(type(expression), "convert_value", plain) is not plain


_WHOLE = {Combinable.ADD, Combinable.SUB, Combinable.MUL, Combinable.DIV, Combinable.MOD}


def _is_whole(expression: Any) -> bool:
    """Whether it can be nothing but integers: columns of such, and sums of those."""
    if isinstance(expression, CombinedExpression):
        return expression.connector in _WHOLE and all(
            map(_is_whole, (expression.lhs, expression.rhs))
        )
    if isinstance(expression, models.Value):
        return isinstance(expression.value, int)
    return isinstance(expression, Col) and KINDS.get(_kind_name(expression)) is Kind.INTEGER


def _kind_name(expression: Any) -> str:
    return str(_target(expression.output_field).get_internal_type())


def _typed(asked: Any, resolved: Any, kind: Kind) -> Any:
    """`asked`, an expression, with the type for which Django takes it.

    To PostgreSQL, the average of integers is a decimal, and so is a second of a moment.
    """
    if kind is Kind.INTEGER:
        whole = _is_whole(resolved)
        return asked if whole else sql("trunc((%(expressions)s)::numeric)")(asked)
    name = dialects.POSTGRES_TYPES.get(kind)
    return sql(f"(%(expressions)s)::{name}")(asked) if name else asked


def selected(queryset: QuerySet[Any], asked: Iterable[Any]) -> QuerySet[Any]:
    """`queryset.values_list(*asked)` with all rows of `queryset`, wherever their relations point.

    Django's own name for an expression, f1 for the first F, may be a field's, so ours is another.
    """
    made: dict[str, Any] = {}
    names: list[str] = []
    for each in asked:
        if isinstance(each, str):
            names.append(each)
        else:
            names.append(f"_column{len(made)}")
            made[names[-1]] = each
    values: QuerySet[Any] = queryset.annotate(**made).values_list(*names)
    joins.keep_rows(values, kept=joins.tables_of(queryset))
    return values


def protected(reading: Reading, protect: Callable[[Any, bool], Any]) -> Reading:
    """`reading` with what COPY writes made harmless, if people wrote it."""
    if reading.field.kind is not Kind.TEXT:
        return reading
    return replace(reading, copied=protect(reading.copied, reading.is_stored))
