"""What people do to a queryset, each by a name: in get_queryset, a FilterSet or an admin list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.functions import RowNumber

from tests.integration.exports.differential import models
from tests.integration.exports.differential.models import Place, related

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Step:
    apply: Callable[[QuerySet[Any]], Any]
    family: bool = False  # Needs relations to many.
    postgres: bool = False
    is_last: bool = False  # Django lets nothing be added after it.
    # A column that names an annotation may be refused: its value is one of the whole queryset.
    loses: bool = False
    compares: bool = False  # Its rows are told apart by more than the key.
    wrong: bool = False  # No rows of the model: to be refused.
    annotations: tuple[str, ...] = ()


def keys(queryset: QuerySet[Any]) -> list[str]:
    return [field.attname for field in queryset.model._meta.pk_fields]


def _by_number(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.order_by(F("number").desc(nulls_last=True), *keys(queryset))


def _rank(queryset: QuerySet[Any]) -> Window:
    order = [F("number").desc(nulls_last=True), *map(F, keys(queryset))]
    return Window(RowNumber(), partition_by=F("group"), order_by=order)


def _items(queryset: QuerySet[Any]) -> QuerySet[Any]:
    found = related(queryset.model, "items")._base_manager.filter(root=OuterRef("pk"))
    return found.order_by("number", "pk")


def _positive(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(number__gte=1)


def _ones(queryset: QuerySet[Any]) -> QuerySet[Any]:
    return queryset.filter(group=1)


NAMED_A = Q(place__name="A")
_case = Case(When(number__gte=1, then=Value("=yes")), default=Value("no"))
STEPS = {
    "all": Step(lambda q: q.all()),
    "number": Step(_positive),
    "nothing": Step(lambda q: q.none()),
    "place": Step(lambda q: q.filter(place__name__gte="")),
    "not perhaps": Step(lambda q: q.exclude(perhaps__name="A")),
    "either": Step(lambda q: q.filter(NAMED_A | Q(perhaps__name="A") | Q(number=1))),
    "in": Step(lambda q: q.filter(place__in=Place.objects.filter(name="A"))),
    "by key": Step(lambda q: q.filter(place__code__in=["a", "nowhere"])),
    "not by key": Step(lambda q: q.exclude(place__code="a")),
    "region": Step(lambda q: q.filter(place__region__isnull=True)),
    "parent": Step(lambda q: q.filter(parent__number__gte=0), family=True),
    "extra": Step(lambda q: q.filter(extra__number__gte=0), family=True),
    "no extra": Step(lambda q: q.filter(extra=None), family=True),
    "no items": Step(lambda q: q.filter(items__isnull=True), family=True, loses=True),
    "exclude": Step(lambda q: q.exclude(items__number=1), family=True),
    "exists": Step(lambda q: q.filter(Exists(_items(q).filter(number__gte=0))), family=True),
    "items": Step(lambda q: q.filter(items__number__gte=0), family=True, loses=True),
    "children": Step(lambda q: q.filter(children__number__gte=0), family=True, loses=True),
    "items marks": Step(
        lambda q: q.filter(items__number__gte=0, marks__number__gte=0), family=True, loses=True
    ),
    "or": Step(lambda q: q.filter(Q(items__number=1) | Q(number=1)), family=True, loses=True),
    # -- Annotations
    "case": Step(lambda q: q.annotate(case=_case), annotations=("case",)),
    "joined": Step(lambda q: q.annotate(joined=F("perhaps__name")), annotations=("joined",)),
    "first": Step(
        lambda q: q.annotate(first=Subquery(_items(q).values("number")[:1])),
        family=True,
        annotations=("first",),
    ),
    "counted": Step(
        lambda q: q.annotate(counted=Count("items")), family=True, annotations=("counted",)
    ),
    "summed": Step(
        lambda q: q.annotate(summed=Sum("marks__number")), family=True, annotations=("summed",)
    ),
    "having": Step(
        lambda q: q.annotate(had=Count("items")).filter(had__gte=1),
        family=True,
        annotations=("had",),
    ),
    "having many": Step(
        lambda q: q.annotate(marked=Count("marks")).filter(Q(marked__gte=2) | Q(items__number=1)),
        family=True,
        loses=True,
        annotations=("marked",),
    ),
    "beyond": Step(
        lambda q: q.annotate(many=Count("marks"), beyond=F("items__root__number")),
        family=True,
        loses=True,
        annotations=("many", "beyond"),
    ),
    "alias": Step(lambda q: q.alias(least=Count("items")).filter(least__gte=1), family=True),
    "each": Step(
        lambda q: q.annotate(each=F("items__number")),
        family=True,
        loses=True,
        annotations=("each",),
    ),
    "window": Step(lambda q: q.annotate(rank=_rank(q)), loses=True, annotations=("rank",)),
    "window filter": Step(
        lambda q: q.annotate(best=_rank(q)).filter(best=1), loses=True, annotations=("best",)
    ),
    # -- How it is selected
    "ordered": Step(lambda q: q.order_by("-number")),
    "ordered many": Step(lambda q: q.order_by("items__number"), family=True, loses=True),
    "related": Step(lambda q: q.select_related("perhaps")),
    "defer": Step(lambda q: q.defer("text")),
    "only": Step(lambda q: q.only("number")),
    "sql": Step(lambda q: q.extra(where=["1 = 1"])),
    "distinct": Step(lambda q: q.distinct(), loses=True),
    "distinct items": Step(
        lambda q: q.filter(items__number__gte=0).distinct(), family=True, loses=True
    ),
    "distinct on": Step(
        lambda q: q.order_by("group", F("number").desc(nulls_last=True), *keys(q)).distinct(
            "group"
        ),
        postgres=True,
        loses=True,
        is_last=True,
    ),
    # -- The last step
    "slice": Step(lambda q: _by_number(q)[:3], is_last=True, loses=True),
    "offset": Step(lambda q: _by_number(q)[1:4], is_last=True, loses=True),
    "slice items": Step(
        lambda q: _by_number(q.filter(items__number__gte=0))[:3],
        family=True,
        is_last=True,
        loses=True,
    ),
    "slice distinct": Step(
        lambda q: _by_number(q.distinct())[:2], is_last=True, loses=True, compares=True
    ),
    "union": Step(lambda q: _positive(q).union(_ones(q)), is_last=True, loses=True),
    "union all": Step(lambda q: _positive(q).union(_ones(q), all=True), is_last=True, loses=True),
    "intersection": Step(
        lambda q: _positive(q).intersection(_ones(q)), is_last=True, loses=True, compares=True
    ),
    "difference": Step(
        lambda q: _positive(q).difference(_ones(q)), is_last=True, loses=True, compares=True
    ),
    "union slice": Step(
        lambda q: _positive(q).union(_ones(q)).order_by("number", *keys(q))[:2],
        is_last=True,
        loses=True,
    ),
    "union first": Step(
        lambda q: _positive(q).union(_ones(q)).order_by("pk")[:2],
        is_last=True,
        loses=True,
        compares=True,
    ),
    "union by field": Step(
        lambda q: _positive(q).union(_ones(q)).order_by(*keys(q))[:2],
        is_last=True,
        loses=True,
        compares=True,
    ),
    # -- No rows of the model, or others each time
    "random": Step(lambda q: q.order_by("?")[:3], is_last=True, wrong=True),
    "None": Step(lambda q: None, is_last=True, wrong=True),
    # No row is read: what Django says of a queryset that it cannot do is the project's own error.
    "list": Step(lambda queryset: [queryset.model()], is_last=True, wrong=True),
    "values": Step(lambda q: q.values("number"), is_last=True, wrong=True),
    "values_list": Step(lambda q: q.values_list("number", flat=True), is_last=True, wrong=True),
    "groups": Step(
        lambda q: q.order_by().values("group").annotate(number_of=Count("number")),
        is_last=True,
        wrong=True,
    ),
    "dates": Step(lambda q: q.dates("day", "year"), is_last=True, wrong=True),
    "another": Step(lambda q: Place.objects.all(), is_last=True, wrong=True),
    "raw": Step(
        lambda q: q.model._base_manager.raw(f"SELECT * FROM {q.model._meta.db_table}"),
        is_last=True,
        wrong=True,
    ),
}
ANNOTATIONS = {name for step in STEPS.values() for name in step.annotations}


def apply(queryset: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        queryset = STEPS[name].apply(queryset)
    return queryset


def names_for(root: type[Any]) -> list[str]:
    """The steps that can be done to a queryset of `root` on this database."""
    return [
        name
        for name, step in STEPS.items()
        if (models.has_family(root) or not step.family)
        # What is not loaded is looked up by its key later, which a view may have twice.
        and not (root is models.Seen and name in {"defer", "only"})
        and (models.IS_POSTGRES or not step.postgres)
    ]
