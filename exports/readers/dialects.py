"""The SQL with which each database writes values as plain text, in the forms of `formats.kinds`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db.models import Func, TextField

from exports.formats.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db import models


def sql(template: str) -> Callable[..., Func]:
    """Return a function that puts an expression into an SQL template."""

    def make(expression: Any, *_: Any) -> Func:
        return Func(expression, template=template, output_field=TextField())

    return make


def _sqlite_datetime(expression: Any, *_: Any) -> Func:
    """Write ISO 8601. Django stores a space between date and time, and UTC without an offset."""
    offset = " || '+00:00'" if settings.USE_TZ else ""
    return sql(f"replace(%(expressions)s, ' ', 'T'){offset}")(expression)


def _postgres_text(expression: Any, field: models.Field[Any, Any]) -> Any:
    if field.get_internal_type() in {"GenericIPAddressField", "IPAddressField"}:
        # A cast to text would always add a mask. abbrev() adds one only if it is not the default.
        return sql("abbrev((%(expressions)s)::inet)")(expression)
    # The cast costs nothing for text, and the column of a view may have any type.
    return sql("(%(expressions)s)::text")(expression)


def _postgres_nested(expression: Any, field: models.Field[Any, Any]) -> Any:
    if isinstance(field, ArrayField):
        return sql("(to_json(%(expressions)s))::text")(expression)
    # The cast to jsonb costs nothing for jsonb. A json value may have line breaks in its text.
    return sql("(%(expressions)s)::jsonb::text")(expression)


def _postgres_datetime(expression: Any, *_: Any) -> Func:
    """Write ISO 8601, as PostgreSQL does in JSON; without an offset if the type has none.

    replace() removes the quotes at half the cost of btrim().
    """
    local = "" if settings.USE_TZ else "::timestamp"
    return sql(f"replace(to_json((%(expressions)s){local})::text, '\"', '')")(expression)


def _postgres_duration(expression: Any, *_: Any) -> Func:
    """Write days and seconds. A year has 365 days and a month 30, as for Django's driver."""
    seconds = Func(
        sql("extract(epoch FROM %(expressions)s)")(expression),
        # The epoch counts a year as 365.25 days, which is 21,600 seconds too many.
        sql("21600 * extract(year FROM %(expressions)s)")(expression),
        template="(%(expressions)s)",
        arg_joiner=" - ",
    )
    return Func(
        sql("CASE WHEN NOT isfinite(%(expressions)s)")(expression),
        sql("THEN (%(expressions)s)::text ELSE")(expression),
        sql("CASE WHEN %(expressions)s < 0 THEN '-P' ELSE 'P' END ||")(seconds),
        sql("div(abs(%(expressions)s), 86400) ||")(seconds),
        sql("'DT' || trim_scale(mod(abs(%(expressions)s), 86400)) || 'S' END")(seconds),
        template="(%(expressions)s)",
        arg_joiner=" ",
        output_field=TextField(),
    )


# PostgreSQL writes the other kinds in the right form without further SQL.
POSTGRES: dict[Kind, Callable[..., Any]] = {
    Kind.TEXT: _postgres_text,
    Kind.BOOLEAN: sql("(%(expressions)s)::text"),  # Without the cast, COPY writes t and f.
    Kind.DATETIME: _postgres_datetime,
    Kind.DURATION: _postgres_duration,
    Kind.BINARY: sql("encode(%(expressions)s, 'hex')"),
    Kind.NESTED: _postgres_nested,
}
# The types that computed values are cast to. PostgreSQL's average of integers is a decimal.
POSTGRES_TYPES = {
    Kind.FLOAT: "double precision",
    Kind.DECIMAL: "numeric",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.DURATION: "interval",
    Kind.UUID: "uuid",
}

# Python writes the other kinds: SQLite stores decimals as floats and writes floats with 15 digits,
# and Django stores durations as microseconds. For integers, Python is faster.
SQLITE: dict[Kind, Callable[..., Any]] = {
    Kind.DATETIME: _sqlite_datetime,
    **dict.fromkeys(
        (Kind.TEXT, Kind.BOOLEAN, Kind.DATE, Kind.TIME, Kind.UUID, Kind.NESTED),
        sql("CAST(%(expressions)s AS text)"),
    ),
}
# The kinds that SQLite also writes for computed values. Other computed values may not have the type
# that Django expects.
SQLITE_COMPUTED = frozenset({Kind.TEXT, Kind.BOOLEAN})
