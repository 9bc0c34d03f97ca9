"""The registry of exporters. An exporter that cannot work is refused at startup.

`@register` makes the checks that are possible while modules are loading. The system check in
`checks` makes those that need all models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from exports.exceptions import DefinitionError, NotPermitted, UnknownExporter
from exports.exporters.base import Exporter
from exports.exporters.joins import repeating_relation
from exports.i18n.message import Message
from exports.models import Consistency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.contrib.auth.models import AnonymousUser, User

E = TypeVar("E", bound=type[Exporter])

EXPORTERS: dict[str, Exporter] = {}


def register(cls: E) -> E:
    """Register an exporter. Raise DefinitionError if it cannot work."""
    where = f"{cls.__module__}.{cls.__qualname__}"
    if problem := next(_refusals(cls), ""):
        raise DefinitionError(f"{where} {problem}")
    if cls.name in EXPORTERS and type(EXPORTERS[cls.name]) is not cls:
        raise DefinitionError(
            f'{where} is the second exporter with the name "{cls.name}". Give it another `name`.'
        )
    EXPORTERS[cls.name] = cls()
    return cls


def _refusals(cls: type[Exporter]) -> Iterator[str]:
    """Yield why an exporter cannot work, and how to fix it: a sentence without its subject."""
    if not issubclass(cls, Exporter):
        yield f"is not a subclass of Exporter. Write `class {cls.__name__}(Exporter)`."  # type: ignore[unreachable]
    if not cls.permission and cls.has_permission is Exporter.has_permission:
        yield (
            "does not say who may run it. "
            'Add `permission = "app.codename"`, or override has_permission(user).'
        )
    if cls.permission and cls.permission.count(".") != 1:
        yield f'has the permission "{cls.permission}". Write it as "app.codename".'
    if isinstance(cls.columns, str):
        yield f'has a string as its columns. Write `columns = ["{cls.columns}"]`.'
    if cls.consistency not in Consistency.values:
        known = ", ".join(Consistency.values)
        yield f'has the unknown consistency "{cls.consistency}". Available: {known}.'
    if not cls.columns:
        yield 'has no columns. Add `columns = ["id", …]`.'
    yield from _unsplittable(getattr(cls, "queryset", None))


def _unsplittable(queryset: Any) -> Iterator[str]:
    """Yield why a queryset cannot be split into parts by primary key."""
    if isinstance(queryset, BaseManager):
        yield "has a manager as its queryset. Add `.all()` to it."
    if not isinstance(queryset, QuerySet):
        yield "has no queryset. Add `queryset = YourModel.objects.all()`."
        return
    query = queryset.query
    if query.is_sliced or query.distinct or query.combinator:
        yield (
            "has a sliced, distinct or combined queryset, which cannot be split into "
            "parts. Select the rows with filter(), for example filter(pk__in=…)."
        )
    if query.values_select:
        yield (
            "has a queryset of values(), whose rows have no primary key. Name the fields in "
            '`columns`, and put an aggregate into Column("n", Subquery(…)).'
        )
    if relation := repeating_relation(queryset):
        yield (
            f'may return a row more than once: "{relation}" has several rows for each row. '
            "Select the rows with filter(pk__in=…)."
        )


def get(name: str) -> Exporter:
    """Return the exporter `name`. Raise UnknownExporter, which lists the names of all exporters.

    This is for developers and operators. Pages and the API use `offered`, which does not reveal
    exporters that the user may not run.
    """
    try:
        return EXPORTERS[name]
    except KeyError:
        raise unknown(name, EXPORTERS) from None


def unknown(name: str, known: Iterable[str]) -> UnknownExporter:
    """Return the error for a `name` that is not among the `known` ones."""
    names = ", ".join(sorted(known)) or Message("none")
    return UnknownExporter(
        Message('There is no exporter "%(name)s". Available: %(known)s.', name=name, known=names)
    )


def may_run(exporter: Exporter, user: User | AnonymousUser) -> bool:
    """Return whether `user` may run `exporter`. Deactivated users may run none."""
    return user.is_active and exporter.has_permission(user)


def available(user: User | AnonymousUser) -> list[Exporter]:
    """Return the exporters that `user` may run, sorted by label."""
    allowed = [exporter for exporter in EXPORTERS.values() if may_run(exporter, user)]
    return sorted(allowed, key=lambda exporter: str(exporter.label))


def offered(user: User, name: str) -> Exporter:
    """Return the exporter `name` of a request. Raise UnknownExporter.

    The error is the same for an exporter that `user` may not run and for one that does not
    exist. It lists the exporters that `user` may run.
    """
    known = {exporter.name: exporter for exporter in available(user)}
    if name not in known:
        raise unknown(name, known)
    return known[name]


def permitted(user: User, name: str) -> Exporter:
    """Return the exporter `name` of an existing export, which the user can see.

    Raise NotPermitted, with the exporter's label, if `user` may not run it, and UnknownExporter
    if it does not exist any more.
    """
    try:
        exporter = get(name)
    except UnknownExporter:
        raise UnknownExporter(
            Message('The exporter "%(name)s" is no longer available.', name=name)
        ) from None
    if not may_run(exporter, user):
        raise NotPermitted(
            Message(
                'You do not have permission to export "%(name)s". Ask an administrator for access.',
                name=exporter.label,
            )
        )
    return exporter
