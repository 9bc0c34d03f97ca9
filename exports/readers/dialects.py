"""The SQL by which each database writes values as plain text, in the forms of `formats.kinds`.

What is not here, the database would write otherwise, or less exactly.
"""

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
    """An expression of SQL around another one."""

    def make(expression: Any, *_: Any) -> Func:
        return Func(expression, template=template, output_field=TextField())

    return make


def _as_is(expression: Any, *_: Any) -> Any:
    return expression


def _sqlite_moment(expression: Any, *_: Any) -> Func:
    """ISO 8601 from what is stored: a space between date and time, and UTC."""
    offset = " || '+00:00'" if settings.USE_TZ else ""
    return sql(f"replace(%(expressions)s, ' ', 'T'){offset}")(expression)


def _postgres_text(expression: Any, field: models.Field[Any, Any]) -> Any:
    if field.get_internal_type() in {"GenericIPAddressField", "IPAddressField"}:
        # As text it would always have a mask; so it has one only if there is one.
        return sql("abbrev((%(expressions)s)::inet)")(expression)
    # Costs nothing where it is text, and a view's column may be anything.
    return sql("(%(expressions)s)::text")(expression)


def _postgres_nested(expression: Any, field: models.Field[Any, Any]) -> Any:
    if isinstance(field, ArrayField):
        return sql("(to_json(%(expressions)s))::text")(expression)
    # Costs nothing where it is jsonb. What is json may have line ends between its values.
    return sql("(%(expressions)s)::jsonb::text")(expression)


def _postgres_moment(expression: Any, *_: Any) -> Func:
    """JSON has ISO 8601, in the session's time zone; and no offset where the type has none.

    Its quotes are taken off by replace(), at half of what btrim() costs.
    """
    local = "" if settings.USE_TZ else "::timestamp"
    return sql(f"replace(to_json((%(expressions)s){local})::text, '\"', '')")(expression)


def _postgres_duration(expression: Any, *_: Any) -> Func:
    """A year is 365 days and a month 30, as Django's driver reads them."""
    seconds = Func(
        sql("extract(epoch FROM %(expressions)s)")(expression),
        sql("21600 * extract(year FROM %(expressions)s)")(expression),  # It takes 365.25 days.
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


# What is given as text already, and need not be cast where text is wanted.
MADE_AS_TEXT = frozenset(
    {Kind.TEXT, Kind.DATETIME, Kind.DURATION, Kind.BINARY, Kind.NESTED, Kind.BOOLEAN}
)
POSTGRES: dict[Kind, Callable[..., Any]] = {
    Kind.TEXT: _postgres_text,
    # These are written by COPY as they are by a cast.
    **dict.fromkeys((Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL, Kind.UUID), _as_is),
    **dict.fromkeys((Kind.DATE, Kind.TIME), _as_is),
    Kind.BOOLEAN: sql("(%(expressions)s)::text"),  # COPY alone would write t and f.
    Kind.DATETIME: _postgres_moment,
    Kind.DURATION: _postgres_duration,
    Kind.BINARY: sql("encode(%(expressions)s, 'hex')"),
    Kind.NESTED: _postgres_nested,
}
# What an expression has to be, whatever it is there: an average of integers is a decimal.
POSTGRES_TYPES = {
    Kind.FLOAT: "double precision",
    Kind.DECIMAL: "numeric",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.DURATION: "interval",
    Kind.UUID: "uuid",
}

# Decimals are floats there, and floats get 15 digits: their text is Python's. So is that of
# what is stored in a form of Django's own: durations. Of integers Python makes it faster.
SQLITE: dict[Kind, Callable[..., Any]] = {
    **dict.fromkeys(
        (Kind.TEXT, Kind.BOOLEAN, Kind.DATE, Kind.TIME, Kind.UUID, Kind.NESTED),
        sql("CAST(%(expressions)s AS text)"),
    ),
    Kind.DATETIME: _sqlite_moment,
}
# Also of an expression, whose type may be another there than Django takes it for.
SQLITE_MAKES = frozenset({Kind.TEXT, Kind.BOOLEAN})
