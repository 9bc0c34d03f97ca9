"""Columns that exporters have, each beside a plain Python function that gives its value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    ForeignObjectRel,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, Concat, RowNumber, Upper

from exports.exporters import Column
from tests.integration.exports.differential import models
from tests.integration.exports.differential.models import Place, related

if TYPE_CHECKING:
    from collections.abc import Callable


class Row:
    """A row that the ORM gave, and what is stored beside it: each looked up alone."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def __call__(self, path: str) -> Any:
        """The value at the end of `path`; None if a relation on the way points nowhere."""
        found = self.found
        *relations, last = path.split("__")
        for name in relations:
            field = found._meta.get_field(name)
            if field.one_to_many or field.many_to_many:
                raise AssertionError(path)
            if isinstance(field, ForeignObjectRel):
                wanted = {field.field.attname: found.pk}
            else:
                wanted = {"pk": getattr(found, field.attname)}
            manager = field.related_model._base_manager
            found = manager.filter(**wanted).first() if None not in wanted.values() else None
            if found is None:
                return None
        return getattr(found, found._meta.get_field(last).attname)

    def many(self, name: str, value: str = "number") -> list[Any]:
        """The values of all rows that refer to it."""
        if name == "children":
            stored = models.stored(type(self.found))
            root = models.Number if issubclass(stored, models.Number) else stored
            found = root._base_manager.filter(parent=self.found.pk)
        else:
            found = related(type(self.found), name)._base_manager.filter(root=self.found.pk)
        return [getattr(each, value) for each in found]


def total(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def most(values: list[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def upper(value: str | None) -> str | None:
    return None if value is None else value.upper()


@dataclass(frozen=True)
class Made:
    """A column of an exporter. `value` is None for one that the system check refuses."""

    column: Callable[[type[Any]], str | Column]
    value: Callable[[Row], Any] | None
    family: bool = False
    only: str = ""  # The model that has it.


def path(name: str, *, family: bool = False, only: str = "") -> Made:
    return Made(lambda root: name, lambda row: row(name), family, only)


def made(name: str, expression: Any, value: Any, *, family: bool = False) -> Made:
    """`expression` may be a function of the model."""

    def column(root: type[Any]) -> Column:
        is_function = callable(expression) and not hasattr(expression, "resolve_expression")
        return Column(name, expression(root) if is_function else expression)

    return Made(column, value, family)


def _items(root: type[Any]) -> Any:
    return related(root, "items")._base_manager.filter(root=OuterRef("pk"))


_ones = Count("items", filter=Q(items__number=1))
ALL = [
    *map(path, ("number", "group", "text", "day", "price", "hidden", "place", "perhaps_id")),
    *map(path, ("place__name", "perhaps__name", "place__region__name", "perhaps__region__name")),
    path("parent__number", family=True),
    path("parent__place__name", family=True),
    path("parent__extra__text", family=True),
    path("extra__number", family=True),
    path("special__level", only="Number"),
    path("level", only="Special"),
    path("number_ptr__text", only="Special"),
    made("upper", Upper("place__name"), lambda row: upper(row("place__name"))),
    made(
        "coalesce",
        Coalesce("place__name", "perhaps__name", Value("nothing", TextField())),
        lambda row: next(
            (name for name in (row("place__name"), row("perhaps__name")) if name is not None),
            "nothing",
        ),
    ),
    made(
        "concat",
        Concat("place__name", Value("!"), output_field=TextField()),
        lambda row: (row("place__name") or "") + "!",
    ),
    made("plus", F("number") + F("group"), lambda row: _plus(row("number"), row("group"))),
    made(
        "where",
        Case(When(place__name="A", then=Value("yes")), default=Value("no")),
        lambda row: "yes" if row("place__name") == "A" else "no",
    ),
    made(
        "has place",
        Exists(Place.objects.filter(pk=OuterRef("place_id"))),
        lambda row: Place._base_manager.filter(pk=row("place")).exists(),
    ),
    made(
        "place name",
        Subquery(Place.objects.filter(pk=OuterRef("place_id")).values("name")[:1]),
        lambda row: row("place__name"),
    ),
    Made(
        lambda root: Column(
            "python", needs=["place__name", "number"], python=lambda *two: repr(list(two))
        ),
        lambda row: repr([row("place__name"), row("number")]),
    ),
    # -- Of rows that refer to it
    made("items", Count("items"), lambda row: len(row.many("items")), family=True),
    made("marks", Count("marks"), lambda row: len(row.many("marks")), family=True),
    made("children", Count("children"), lambda row: len(row.many("children")), family=True),
    made("sum items", Sum("items__number"), lambda row: total(row.many("items")), family=True),
    made("sum marks", Sum("marks__number"), lambda row: total(row.many("marks")), family=True),
    made("most", Max("items__number"), lambda row: most(row.many("items")), family=True),
    made("ones", _ones, lambda row: row.many("items").count(1), family=True),
    made(
        "different",
        Count("items__number", distinct=True),
        lambda row: len({*row.many("items")} - {None}),
        family=True,
    ),
    made(
        "has items",
        lambda root: Exists(_items(root)),
        lambda row: bool(row.many("items")),
        family=True,
    ),
    made(
        "first item",
        lambda root: Subquery(
            _items(root).filter(number__isnull=False).order_by("number").values("number")[:1]
        ),
        lambda row: min(
            (number for number in row.many("items") if number is not None), default=None
        ),
        family=True,
    ),
    # -- To be refused
    Made(lambda root: "items__number", None, family=True),
    # Django would multiply the one with the other.
    made("both", Count("items") + Count("marks"), None, family=True),
    made("row", Window(RowNumber(), order_by="number"), None),
]


def _plus(*values: int | None) -> int | None:
    return None if None in values else sum(values)  # type: ignore[arg-type]


def _name(each: Made) -> str:
    column = each.column(models.Number)
    return column if isinstance(column, str) else column.name


COLUMNS = {_name(each): each for each in ALL}


def names_for(root: type[Any], *, refused: bool = False) -> list[str]:
    """The columns that an exporter of `root` may have; those that are `refused`, apart."""
    return [
        name
        for name, each in COLUMNS.items()
        if (models.has_family(root) or not each.family)
        and each.only in {"", root.__name__}
        and (each.value is None) is refused
    ]
