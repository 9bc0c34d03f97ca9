"""The exporters of this project. One that cannot work is refused at start-up.

`@register` looks at what can be seen while modules are still loading; the system check in
`checks` at what needs all models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import QuerySet
from django.db.models.manager import BaseManager

from exports.exceptions import (
    DefinitionError,
    NotPermitted,
    UnknownExporter,
)
from exports.exporters.base import Exporter
from exports.exporters.joins import repeating_relation
from exports.i18n.message import Message
from exports.models import Consistency

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.contrib.auth.models import AnonymousUser, User


if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User


E = TypeVar("E", bound=type[Exporter])

EXPORTERS: dict[str, Exporter] = {}


def register(cls: E) -> E:
    """Offer an exporter. Raises DefinitionError when it cannot work."""
    where = f"{cls.__module__}.{cls.__qualname__}"
    for problem in _refusals(cls):
        raise DefinitionError(f"{where} {problem}")
    if cls.name in EXPORTERS and type(EXPORTERS[cls.name]) is not cls:
        raise DefinitionError(
            f'{where} is the second exporter with the name "{cls.name}". Give it another `name`.'
        )
    EXPORTERS[cls.name] = cls()
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
            f'may give a row more than once: "{relation}" has several rows for each row. '
            f"Select the rows with filter(pk__in=…)."
        )


def get(name: str) -> Exporter:
    """The exporter of that name. Raises UnknownExporter, which lists the names there are.

    For developers and operators, since it names all exporters. Pages and the API use
    `offered`.
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
    """What `user` may run, by label."""
    allowed = [exporter for exporter in EXPORTERS.values() if may_run(exporter, user)]
    return sorted(allowed, key=lambda exporter: str(exporter.label))


def offered(user: User, name: str) -> Exporter:
    """Return the exporter `name`, which a request names. Raise UnknownExporter.

    The error is the same for an exporter that `user` may not run and for one that does not
    exist. It lists the exporters that `user` may run.
    """
    known = {exporter.name: exporter for exporter in available(user)}
    if name not in known:
        raise unknown(name, known)
    return known[name]


def permitted(user: User, name: str) -> Exporter:
    """Return the exporter `name` of an existing export, which the reader of the error may see.

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
