"""System checks: all columns of exporters can be read, and their forms fit into a request."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.db import connections
from django.utils.functional import Promise

from exports.exporters.problems import problems_of
from exports.exporters.registry import EXPORTERS
from exports.models import Consistency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exports.exporters.base import Column, Exporter

FIELDS_OF_COLUMN = 2  # Form fields for each column.
OTHER_FIELDS = 20  # Form fields apart from those of columns and filters.


def check(**_: Any) -> list[CheckMessage]:
    """Check every exporter. Django runs this system check."""
    found: list[CheckMessage] = []
    for exporter in EXPORTERS.values():
        where = f"{type(exporter).__module__}.{type(exporter).__qualname__}"
        found += [
            Error(problem, hint=hint, obj=where, id="exports.E001")
            for problem, hint in _problems(exporter)
        ]
        if exporter.permission and exporter.permission not in _declared_permissions():
            codename = exporter.permission.partition(".")[2]
            found.append(
                Warning(
                    f'No model declares the permission "{exporter.permission}": only superusers '
                    "have it.",
                    hint=f'Add `permissions = [("{codename}", "…")]` to the Meta of a model, '
                    "and migrate; then grant it.",
                    obj=where,
                    id="exports.W001",
                )
            )
        filters = exporter.filterset.base_filters if exporter.filterset else ()
        found += too_many_fields(exporter, 2 * len(filters), where)  # A range has two fields.
    return found


def too_many_fields(exporter: Exporter, more_fields: int, where: Any) -> list[CheckMessage]:
    """Warn if Django would refuse the form of an exporter, with `more_fields` for filters or rows.

    The number is an estimate: each value of a filter with several values is a field.
    """
    most: int | None = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    number = len(exporter.columns)
    needed = FIELDS_OF_COLUMN * number + more_fields + OTHER_FIELDS
    if most is None or needed <= most:
        return []
    return [
        Warning(
            f"The form for its {number} columns may have {needed} fields. Django accepts "
            f"{most}, and answers a larger form with 400.",
            hint=f"Set DATA_UPLOAD_MAX_NUMBER_FIELDS = {needed} or more in the settings.",
            obj=where,
            id="exports.W002",
        )
    ]


@cache
def _declared_permissions() -> frozenset[str]:
    return frozenset(
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions),
            *(codename for codename, _ in model._meta.permissions),
        )
    )


def _problems(exporter: Exporter) -> Iterator[tuple[str, str]]:
    vendor = connections[exporter.queryset.db].vendor
    if exporter.consistency == Consistency.SNAPSHOT and vendor != "postgresql":
        yield (
            f'`consistency = "snapshot"` needs PostgreSQL, but the database is {vendor}.',
            "Remove it, or read from PostgreSQL.",
        )
    columns = exporter.all_columns()
    for name, times in Counter(column.name for column in columns).items():
        if times > 1:
            yield f'The column "{name}" is defined {times} times.', "Rename or remove one."
    headers = {column.name: str(column.header) for column in columns}
    for header, times in Counter(headers.values()).items():
        if times > 1:
            yield f'The header "{header}" is used {times} times.', "Change the `header=` of one."
    for column in columns:
        if malformed := _malformed(column):
            yield malformed
        else:
            yield from ((each.what, each.remedy) for each in problems_of(exporter.queryset, column))


def _malformed(column: Column) -> tuple[str, str] | None:
    what = f'The column "{column.name}"'
    header: Any = column.header
    if not isinstance(header, str | Promise):
        return f"{what} has {header!r} as its header.", "Use a string."
    if column.python and column.expression is not None:
        return f"{what} has an expression and `python`.", "Remove one of them."
    if column.python and not column.needs:
        return (
            f"{what} has `python` but no `needs`.",
            f'Add `needs=["field", …]` to Column("{column.name}") for the arguments.',
        )
    if column.needs and not column.python:
        return (
            f"{what} has `needs` but no `python`.",
            "`needs` names the arguments of a Python column. Add python=…, or remove it.",
        )
    return None
