"""The exporters of this project. One that cannot work is refused at start-up.

`@register` looks at what can be seen while modules are still loading; `check`, a Django
system check, at what needs all models.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.db import connections
from django.db.models import QuerySet
from django.db.models.manager import BaseManager
from django.utils.functional import Promise

from exports.exceptions import DefinitionError, UnknownExporter
from exports.exporters.base import Column, Exporter
from exports.exporters.joins import repeating_relation
from exports.exporters.querysets import problems_of
from exports.forms.columns import FIELDS
from exports.i18n.localize import spoken
from exports.models import Consistency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.contrib.auth.models import AnonymousUser, User

# Of a form that asks for an export, besides its columns and filters.
OTHER_FIELDS = 20

E = TypeVar("E", bound=type[Exporter])

_exporters: dict[str, Exporter] = {}


def register(cls: E) -> E:
    """Offer an exporter. Raises DefinitionError when it cannot work."""
    where = f"{cls.__module__}.{cls.__qualname__}"
    for problem in _refusals(cls):
        raise DefinitionError(f"{where} {problem}")
    if cls.name in _exporters and type(_exporters[cls.name]) is not cls:
        raise DefinitionError(
            f'{where} is the second exporter with the name "{cls.name}". Give it another `name`.'
        )
    _exporters[cls.name] = cls()
    return cls


def _refusals(cls: type[Exporter]) -> Iterator[str]:
    """Why it cannot work, as the end of a sentence, and what would be right."""
    if not issubclass(cls, Exporter):
        yield f"is not an Exporter. Write `class {cls.__name__}(Exporter)`."  # type: ignore[unreachable]
    if not cls.permission and cls.has_permission is Exporter.has_permission:
        yield (
            "does not say who may run it. "
            'Add `permission = "app.codename"`, or override has_permission(user).'
        )
    if cls.permission and cls.permission.count(".") != 1:
        yield f'has the permission "{cls.permission}". Write it as "app.codename".'
    if isinstance(cls.columns, str):
        yield f'has one text for its columns. Write `columns = ["{cls.columns}"]`.'
    if cls.consistency not in Consistency.values:
        yield (
            f'has the consistency "{cls.consistency}". There are: {", ".join(Consistency.values)}.'
        )
    if not cls.columns:
        yield 'has no columns. Add `columns = ["id", …]`.'
    yield from _uncuttable(getattr(cls, "queryset", None))


def _uncuttable(queryset: Any) -> Iterator[str]:
    """Why rows cannot be cut into parts by their keys, each row once."""
    if isinstance(queryset, BaseManager):
        yield "has a manager for its queryset. Add `.all()` to it."
    if not isinstance(queryset, QuerySet):
        yield "has no queryset. Add `queryset = YourModel.objects.all()`."
        return
    query = queryset.query
    if query.is_sliced or query.distinct or query.combinator:
        yield (
            "has a sliced, distinct or combined queryset, which cannot be cut into "
            "parts. Select the rows with filter(), for example filter(pk__in=…)."
        )
    if query.values_select:
        yield (
            "has a queryset of values(), whose rows have no key to be cut into parts by. "
            'Name the fields in `columns`; put an aggregate into Column("n", Subquery(…)).'
        )
    if relation := repeating_relation(queryset):
        yield (
            f'may give a row more than once: "{relation}" has many rows for one. '
            f"Select the rows with filter(pk__in=…)."
        )


def get(name: str) -> Exporter:
    """The exporter of that name. Raises UnknownExporter, which lists the names there are.

    For developers and operators, since it names all exporters. Pages and the API use
    `query.offered`.
    """
    try:
        return _exporters[name]
    except KeyError:
        raise unknown(name, _exporters) from None


def unknown(name: str, known: Iterable[str]) -> UnknownExporter:
    """Return the error for a `name` that is not among the `known` ones."""
    names = ", ".join(sorted(known)) or spoken("none")
    return UnknownExporter(
        spoken('There is no exporter "%(name)s". There are: %(known)s.', name=name, known=names)
    )


def may_run(exporter: Exporter, user: User | AnonymousUser) -> bool:
    """Return whether `user` may run `exporter`. Deactivated users may run none."""
    return user.is_active and exporter.has_permission(user)


def available(user: User | AnonymousUser) -> list[Exporter]:
    """What `user` may run, by label."""
    allowed = [exporter for exporter in _exporters.values() if may_run(exporter, user)]
    return sorted(allowed, key=lambda exporter: str(exporter.label))


def check(**_: Any) -> list[CheckMessage]:
    """Django's system check: every column of every exporter must resolve."""
    found: list[CheckMessage] = []
    for exporter in _exporters.values():
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
        yield problem.what.english, problem.remedy.english
