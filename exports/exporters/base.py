"""What an exporter is: the declaration of what may be exported, and by whom.

@register
class Flights(Exporter):
    queryset = Flight.objects.all()
    permission = "demo.export_flight"
    columns = ["id", "carrier__name", Column("delay", F("arr_delay") - F("dep_delay"))]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.text import capfirst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from django.db.models.expressions import Combinable
    from django.utils.functional import _StrPromise
    from django_filters import FilterSet


@dataclass(frozen=True, init=False)
class Column:
    """One column of a file: a field path, an expression, or a Python function.

    `Column("carrier__name")` reads a field, through relations. `Column("delay",
    F("arr_delay") - F("dep_delay"))` lets the database compute. `Column("speed",
    needs=["distance", "air_time"], python=mph)` calls `mph(distance, air_time)` for
    each row: slower, and possible for anything.
    """

    name: str
    expression: Combinable | None
    header: str | _StrPromise
    needs: tuple[str, ...]
    python: Callable[..., Any] | None

    def __init__(
        self,
        name: str,
        expression: Combinable | None = None,
        *,
        header: str | _StrPromise | None = None,
        needs: Iterable[str] = (),
        python: Callable[..., Any] | None = None,
    ) -> None:
        # The dataclass is frozen: an exporter is shared by all threads of a process.
        for field, value in {
            "name": name,
            "expression": expression,
            "header": name if header is None else header,
            "needs": tuple(needs),
            "python": python,
        }.items():
            object.__setattr__(self, field, value)

    def titled(self, header: str) -> Column:
        """The same column with another header."""
        return Column(
            self.name, self.expression, header=header, needs=self.needs, python=self.python
        )


class Exporter:
    """Subclass it, say what, and `@register` it.

    Required: `queryset`, `columns`, and either `permission` (as in "app.codename") or a
    `has_permission` of its own. Rows come out in the order of the primary key, each once,
    so the queryset must be unsliced, without distinct(), and its ordering is ignored.
    """

    queryset: ClassVar[QuerySet[Any]]
    columns: ClassVar[Sequence[str | Column]] = ()
    permission: ClassVar[str] = ""
    filterset: ClassVar[type[FilterSet] | None] = None
    name: ClassVar[str] = ""
    label: ClassVar[str | _StrPromise] = ""
    description: ClassVar[str | _StrPromise] = ""
    # How many workers may help the one that holds the export; None: EXPORTS_PARALLEL.
    parallel: ClassVar[int | None] = None
    # "snapshot" on PostgreSQL: all rows as they were at one moment. Who loses the worker that
    # holds the moment begins anew.
    consistency: ClassVar[str] = "row"
    # How large an export of it may be. None: as the settings say; 0: without a limit.
    max_rows: ClassVar[int | None] = None
    max_bytes: ClassVar[int | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        if "name" not in cls.__dict__:
            cls.name = words
        if "label" not in cls.__dict__:
            cls.label = capfirst(words.replace("_", " "))

    def has_permission(self, user: User | AnonymousUser) -> bool:
        """Whether `user` may run this. Asked at request, at run and at download."""
        return bool(user.is_active and user.has_perm(self.permission))

    def get_queryset(self, user: User) -> QuerySet[Any]:  # noqa: ARG002 - for overriding
        """The rows that `user` may see. Override it to scope them."""
        return self.queryset.all()

    def all_columns(self) -> list[Column]:
        """Its columns in order, each as a Column."""
        return [Column(each) if isinstance(each, str) else each for each in self.columns]
