"""System checks: every column of every exporter resolves, and its form fits into a request."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.db import connections
from django.utils.functional import Promise

from exports.exporters.querysets import problems_of
from exports.exporters.registry import EXPORTERS
from exports.models import Consistency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exports.exporters.base import Column, Exporter


if TYPE_CHECKING:
    from exports.exporters.base import Exporter


# Of a form that asks for an export, besides its columns and filters.
OTHER_FIELDS = 20


def check(**_: Any) -> list[CheckMessage]:
    """Django's system check: every column of every exporter must resolve."""
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
                    f"have it.",
                    hint=f'Add `permissions = [("{codename}", "…")]` to the Meta of a model, '
                    f"and migrate; then grant it.",
                    obj=where,
                    id="exports.W001",
                )
            )
        filters = exporter.filterset.base_filters if exporter.filterset else ()
        found += too_many_fields(exporter, 2 * len(filters), where)  # Of a range both ends.
    return found


def too_many_fields(exporter: Exporter, besides: int, where: Any) -> list[CheckMessage]:
    """Whether Django would refuse a form in which its columns are chosen, `besides` so many fields.

    As far as it can be known: of a filter that takes several values, each is a field.
    """
    most: int | None = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    number = len(exporter.columns)
    needed = FIELDS * number + besides + OTHER_FIELDS
    if most is None or needed <= most:
        return []
    return [
        Warning(
            f"The form in which its {number} columns are chosen may have {needed} fields, and "
            f"Django takes {most}: it would be answered with 400.",
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
            f"All rows as they were at one moment is what PostgreSQL can give; this is {vendor}.",
            'Remove `consistency = "snapshot"`, or read from a PostgreSQL.',
        )
    columns = exporter.all_columns()
    for name, times in Counter(column.name for column in columns).items():
        if times > 1:
            yield (f'The column "{name}" is there {times} times.', "Rename or remove one.")
    headers = {column.name: str(column.header) for column in columns}
    for header, times in Counter(headers.values()).items():
        if times > 1:
            yield (f'The header "{header}" is there {times} times.', "Give one another `header=`.")
    for column in columns:
        yield from _malformed(column) or _unreadable(exporter, column)


def _malformed(column: Column) -> list[tuple[str, str]]:
    what = f'The column "{column.name}"'
    header: Any = column.header
    if not isinstance(header, str | Promise):
        return [(f"{what} has {header!r} for its header.", "Give it a text.")]
    if column.python and column.expression is not None:
        return [(f"{what} has an expression and `python`.", "Remove one of them.")]
    if column.python and not column.needs:
        return [
            (
                f"{what} names no fields for its `python`.",
                f'Add `needs=["field", …]` to Column("{column.name}"): its arguments.',
            )
        ]
    if column.needs and not column.python:
        return [
            (
                f"{what} has `needs` and no `python`.",
                "`needs` names the arguments of a Python column. Add python=…, or remove it.",
            )
        ]
    return []


def _unreadable(exporter: Exporter, column: Column) -> Iterator[tuple[str, str]]:
    """Why its SQL cannot be made, or gives other rows. No query is run."""
    for problem in problems_of(exporter.queryset, column):
        yield problem.what, problem.remedy


# How many fields the form has for a column.
FIELDS = 2
