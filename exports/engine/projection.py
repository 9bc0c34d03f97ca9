"""What the database is asked for, so that it makes the text of the values itself.

Most of the time of an export in Python goes into values that become objects and then text
again. A database that writes the very text is not asked for the value. Which ones those
are is said here, for each database; for all others Django gives the value, and Python
the text. A field that is not Django's own is always left to Django.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, TextField
from django.db.models.expressions import BaseExpression, Col, CombinedExpression
from django.db.models.functions import Cast

from exports.engine.kinds import Field, Kind
from exports.engine.writers import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db.models import QuerySet

    from exports.exporter import Column

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
    decode: Callable[[Any], str] | None = None
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
        field = Field(column.header, Kind.VALUE)
        return Reading(field, column.needs, function=column.python)
    read: Any = column.name if column.expression is None else column.expression
    asked = F(read) if isinstance(read, str) else read
    resolved = asked.resolve_expression(queryset.query.chain(), allow_joins=True)
    output = _target(resolved.output_field)
    kind = KINDS.get(output.get_internal_type(), Kind.VALUE)
    if not _is_djangos(output) or _converts(resolved):
        kind = Kind.VALUE
    is_stored = isinstance(resolved, Col)
    field = Field(column.header, kind, **(_size(output) if is_stored else {}))
    if vendor == "postgresql" and kind in _POSTGRES:
        made = _POSTGRES[kind](asked if is_stored else _typed(asked, resolved, kind), output)
        cast = made if kind in _MADE_AS_TEXT else Cast(made, TextField())
        return Reading(field, (cast,), copied=made, is_stored=is_stored)
    if vendor == "sqlite" and kind in _SQLITE and (is_stored or kind in _SQLITE_MAKES):
        return Reading(field, (_SQLITE[kind](asked),), decode=_SQLITE_DECODES.get(kind))
    return Reading(field, (read,), decode=_DECODES.get(kind, text.cell))


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


def _is_djangos(field: models.Field[Any, Any]) -> bool:
    """Whether what it stores is what it gives: a field of somebody's own may encrypt."""
    if isinstance(field, ArrayField):
        return _is_djangos(field.base_field)
    if isinstance(field, models.JSONField):
        return field.decoder is None and type(field) is models.JSONField
    return type(field).__module__.startswith("django.") and not hasattr(field, "from_db_value")


def _converts(expression: Any) -> bool:
    """Whether the expression, as dates that are truncated do, changes values in Python."""
    plain = inspect.getattr_static(BaseExpression, "convert_value")
    return inspect.getattr_static(type(expression), "convert_value", plain) is not plain


def _is_whole(expression: Any) -> bool:
    """Whether it can be nothing but integers: columns of such, and sums of those."""
    if isinstance(expression, CombinedExpression):
        whole = expression.connector in "+-*/%"
        return whole and _is_whole(expression.lhs) and _is_whole(expression.rhs)
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
        return asked if whole else _sql("trunc((%(expressions)s)::numeric)")(asked)
    name = _POSTGRES_TYPES.get(kind)
    return _sql(f"(%(expressions)s)::{name}")(asked) if name else asked


def _sql(template: str) -> Callable[..., Func]:
    """An expression of SQL around another one."""

    def make(expression: Any, *_: Any) -> Func:
        return Func(expression, template=template, output_field=TextField())

    return make


def _as_is(expression: Any, *_: Any) -> Any:
    return expression


def _sqlite_moment(expression: Any, *_: Any) -> Func:
    """ISO 8601 from what is stored: a space between date and time, and UTC."""
    offset = " || '+00:00'" if settings.USE_TZ else ""
    return _sql(f"replace(%(expressions)s, ' ', 'T'){offset}")(expression)


def _postgres_text(expression: Any, field: models.Field[Any, Any]) -> Any:
    if field.get_internal_type() in {"GenericIPAddressField", "IPAddressField"}:
        return _sql("host((%(expressions)s)::inet)")(expression)  # As text it would have a mask.
    # Costs nothing where it is text, and a view's column may be anything.
    return _sql("(%(expressions)s)::text")(expression)


def _postgres_nested(expression: Any, field: models.Field[Any, Any]) -> Any:
    wanted = "to_json(%(expressions)s)" if isinstance(field, ArrayField) else "%(expressions)s"
    return _sql(f"({wanted})::text")(expression)


def _postgres_duration(expression: Any, *_: Any) -> Func:
    seconds = _sql("abs(extract(epoch FROM %(expressions)s))")(expression)
    return Func(
        _sql("CASE WHEN %(expressions)s < interval '0' THEN '-P' ELSE 'P' END")(expression),
        _sql("div(%(expressions)s, 86400)")(seconds),
        _sql("'DT' || trim_scale(mod(%(expressions)s, 86400)) || 'S'")(seconds),
        template="(%(expressions)s)",
        arg_joiner=" || ",
        output_field=TextField(),
    )


# What is given as text already, and need not be cast where text is wanted.
_MADE_AS_TEXT = frozenset(
    {Kind.TEXT, Kind.DATETIME, Kind.DURATION, Kind.BINARY, Kind.NESTED, Kind.BOOLEAN}
)
_POSTGRES: dict[Kind, Callable[..., Any]] = {
    Kind.TEXT: _postgres_text,
    # These are written by COPY as they are by a cast.
    **dict.fromkeys((Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL, Kind.UUID), _as_is),
    **dict.fromkeys((Kind.DATE, Kind.TIME), _as_is),
    Kind.BOOLEAN: _sql("(%(expressions)s)::text"),  # COPY alone would write t and f.
    # JSON has ISO 8601, in the session's time zone; and no offset where the type has none.
    Kind.DATETIME: _sql("btrim(to_json(%(expressions)s)::text, '\"')"),
    Kind.DURATION: _postgres_duration,
    Kind.BINARY: _sql("encode(%(expressions)s, 'hex')"),
    Kind.NESTED: _postgres_nested,
}

_POSTGRES_TYPES = {
    Kind.FLOAT: "double precision",
    Kind.DECIMAL: "numeric",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.DURATION: "interval",
    Kind.UUID: "uuid",
}

# Decimals are floats there, and floats get 15 digits: their text is Python's. So is that of
# what is stored in a form of Django's own: durations, JSON.
_SQLITE: dict[Kind, Callable[..., Any]] = {
    **dict.fromkeys(
        (Kind.TEXT, Kind.INTEGER, Kind.DATE, Kind.TIME, Kind.UUID),
        _sql("CAST(%(expressions)s AS text)"),
    ),
    Kind.BOOLEAN: _sql("CASE %(expressions)s WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"),
    Kind.DATETIME: _sqlite_moment,
}
# Also of an expression, whose type may be another there than Django takes it for.
_SQLITE_MAKES = frozenset({Kind.TEXT, Kind.BOOLEAN})
# What makes text of what Django gives. A JSON text has its quotes. A column of the kind VALUE
# is left as it is.
_DECODES: dict[Kind, Callable[[Any], str] | None] = {
    Kind.INTEGER: str,
    Kind.NESTED: text.dumps,
    Kind.VALUE: None,
}
_SQLITE_DECODES: dict[Kind, Callable[[Any], str]] = {
    Kind.UUID: lambda key: f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}",
}


def selected(queryset: QuerySet[Any], asked: Iterable[Any]) -> QuerySet[Any]:
    """`queryset.values_list(*asked)`, where Django's own name for an expression may be a field's.

    It is f1 for the first F, and a model may well have that.
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
    return values


def protected(reading: Reading, protect: Callable[[Any, bool], Any]) -> Reading:
    """`reading` with what COPY writes made harmless, if people wrote it."""
    if reading.field.kind is not Kind.TEXT:
        return reading
    return replace(reading, copied=protect(reading.copied, reading.is_stored))
