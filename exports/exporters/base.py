"""The declaration of an exporter: what may be exported, and by whom.

@register
class Flights(Exporter):
    queryset = Flight.objects.all()
    permission = "demo.export_flight"
    columns = ["id", "carrier__name", Column("delay", F("arr_delay") - F("dep_delay"))]
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.text import capfirst

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from django.db.models.expressions import Combinable
    from django.utils.functional import _StrPromise
    from django_filters import FilterSet


@dataclass(frozen=True)
class Column:
    """One column of a file: a field path, an expression, or a Python function.

    `Column("carrier__name")` reads a field, also through relations. `Column("delay",
    F("arr_delay") - F("dep_delay"))` lets the database compute the values. `Column("speed",
    needs=["distance", "air_time"], python=mph)` calls `mph(distance, air_time)` for each row,
    which is slower.

    Without a `header`, the name is the header.
    """

    name: str
    expression: Combinable | None = None
    _: KW_ONLY
    header: str | _StrPromise | None = None
    needs: Sequence[str] = ()
    python: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        # All threads share a column, so it is frozen. Its fields can only be set like this.
        object.__setattr__(self, "header", self.name if self.header is None else self.header)
        object.__setattr__(self, "needs", tuple(self.needs))

    def with_header(self, header: str) -> Column:
        """Return this column with another header."""
        return replace(self, header=header)


class Exporter:
    """The base class of exporters. Subclass it and `@register` the subclass.

    Required are `queryset`, `columns`, and either `permission` (as in "app.codename") or a
    `has_permission` of its own. Rows are exported in the order of the primary key, each once. So
    the queryset must not be sliced or distinct, and its order is ignored.
    """

    queryset: ClassVar[QuerySet[Any]]
    columns: ClassVar[Sequence[str | Column]] = ()
    permission: ClassVar[str] = ""
    filterset: ClassVar[type[FilterSet] | None] = None
    name: ClassVar[str] = ""
    label: ClassVar[str | _StrPromise] = ""
    description: ClassVar[str | _StrPromise] = ""
    # How many workers may help with an export. None: EXPORTS_PARALLEL.
    parallel: ClassVar[int | None] = None
    # "snapshot", only on PostgreSQL, exports all rows as they were at one moment. An export that
    # loses its worker starts over, because the snapshot is lost as well.
    consistency: ClassVar[str] = "row"
    # The most rows and bytes of an export. None: EXPORTS_MAX_ROWS, EXPORTS_MAX_BYTES. 0: no limit.
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
        """Return whether `user` may run this. Requests, runs and downloads check it."""
        return bool(user.is_active and user.has_perm(self.permission))

    def get_queryset(self, user: User) -> QuerySet[Any]:  # noqa: ARG002 - for overriding
        """Return the rows that `user` may see. Override this to restrict them."""
        return self.queryset.all()

    def all_columns(self) -> list[Column]:
        """Return the columns in order, each as a Column."""
        return [Column(each) if isinstance(each, str) else each for each in self.columns]
