"""Examples: rows, an exporter, a FilterSet and an admin list, as names that can be read."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.integration.exports.differential import columns, models, steps
from tests.integration.exports.differential.models import ROOTS, Place, has_family, related, stored
from tests.integration.exports.differential.steps import STEPS

TEXTS = ["a", "", None, "=1", 'a "b", c', "é\n", "'", "%s", "\\."]
NUMBERS = [1, 0, 2, None, -5, 2**31 - 4]
NOWHERE = "nowhere"
PLACES = {"a": ("A", "b"), "b": ("=B", NOWHERE), "%s": ("", None), "'": (None, "a")}
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "Number": st.sampled_from([1, 2, 3, 10, 0, -1, -(2**63), 2**63 - 1, 2**53 + 1]),
    "Word": st.sampled_from(["a", "b", "B", "", "é", "e\u0301", "'", "%", "\\", "10", "9", "\n"]),
    "Token": st.sampled_from([uuid.UUID(int=n) for n in (0, 1, 2**127, 2**128 - 1, 10**30)]),
    "Shy": st.integers(1, 12),
    "Bytes": st.sampled_from([b"a", b"", b"\x00", b"\xff\xfe", b"0", b"\\x", b"b"]),
    "Pair": st.tuples(st.sampled_from(["a", "", "'", "B"]), st.integers(-2, 2)),
    "Folded": st.sampled_from(["a", "B", "c", "É", "z", "", "1"]),
}


class Shown:
    """Shows only what is not as usual, so that a counter-example is a line that can be copied."""

    def __repr__(self) -> str:
        shown = [
            f"{each.name}={value!r}"
            for each in fields(self)  # type: ignore[arg-type]
            if (value := getattr(self, each.name)) != each.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, repr=False)
class Stored(Shown):
    """A row of a root. `parent` is the number of another row, or -1 for none that is there."""

    key: Any
    group: int | None = 1
    number: int | None = 1
    text: str | None = "a"
    day: datetime.date | None = None
    price: Decimal | None = None
    hidden: bool = False
    place: str = "a"
    perhaps: str | None = None
    parent: int | None = None
    items: tuple[int | None, ...] = ()
    marks: tuple[int | None, ...] = ()
    extra: tuple[int | None, ...] = ()


@dataclass(frozen=True, repr=False)
class Listing(Shown):
    """An admin list, and what its user chose in it."""

    manager: str = "_default_manager"
    steps: tuple[str, ...] = ()
    filter: str = ""  # The step of a list filter that is chosen.
    query: str = ""
    ticked: tuple[int, ...] | None = None  # The numbers of rows.
    order: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Example(Shown):
    root: str
    columns: tuple[str, ...]
    rows: tuple[Stored, ...] = ()
    declared: tuple[str, ...] = ()  # Steps of the exporter's `queryset`,
    scope: tuple[str, ...] | None = None  # of its get_queryset,
    qs: tuple[str, ...] | None = None  # of the `qs` of its FilterSet,
    chosen: str = ""  # and of a filter's method.
    is_default: bool = False  # Whether that filter has its value in __init__.
    listing: Listing | None = None

    @property
    def model(self) -> type[Any]:
        return ROOTS[self.root]

    @property
    def has_scope(self) -> bool:
        """Whether the exporter itself says which rows a user may see: not all of its model."""
        return self.scope is not None or any(
            name in {"number", "place", "alias"} for name in self.declared
        )

    @property
    def own_steps(self) -> tuple[str, ...]:
        """All that is done to the exporter's rows, in its order."""
        chosen = (self.chosen,) if self.chosen else ()
        return (*self.declared, *(self.scope or ()), *chosen, *(self.qs or ()))


def _rows(root: type[Any]) -> st.SearchStrategy[tuple[Stored, ...]]:
    places = st.sampled_from([*PLACES, NOWHERE])
    base = "Number" if issubclass(root, models.Number) or root is models.Seen else root.__name__
    numbers = st.sampled_from(NUMBERS)
    few = st.lists(numbers, max_size=3).map(tuple)
    relations = {
        "parent": st.sampled_from([None, 0, 1, -1]),
        "items": few,
        "marks": few,
        "extra": st.lists(numbers, max_size=1).map(tuple),
    }
    row = st.builds(
        Stored,
        key=KEYS[base],
        group=st.sampled_from([1, 2, 3, None]),
        number=numbers,
        text=st.sampled_from(TEXTS),
        day=st.sampled_from([None, datetime.date(2013, 1, 31), datetime.date(1, 1, 1)]),
        price=st.sampled_from([None, Decimal("1.50"), Decimal("-0.01")]),
        hidden=st.booleans(),
        place=places,
        perhaps=st.sampled_from([None, *PLACES]),
        **(relations if has_family(root) else {}),
    )
    few_or_more = st.sampled_from([0, 4]).flatmap(
        lambda least: st.lists(row, min_size=least, max_size=9, unique_by=lambda each: each.key)
    )
    return few_or_more.map(tuple)


@st.composite
def _pipeline(draw: Any, root: type[Any], most: int, *, can_end: bool = True) -> tuple[str, ...]:
    """Steps, of which only the last may be one that Django lets nothing follow."""
    names = steps.names_for(root)
    going_on = [name for name in names if not STEPS[name].is_last]
    drawn = draw(st.lists(st.sampled_from(going_on), max_size=most, unique=True))
    way = draw(st.sampled_from(["goes on"] * 6 + ["ends"] * 3 + ["is wrong"])) if can_end else ""
    if way == "ends":
        ends = [name for name in names if STEPS[name].is_last and not STEPS[name].wrong]
        return (*drawn, draw(st.sampled_from(ends)))
    if way == "is wrong":
        return (draw(st.sampled_from([name for name in names if STEPS[name].wrong])),)
    return tuple(drawn)


def _ends(names: tuple[str, ...] | None) -> bool:
    return bool(names and names[-1] and STEPS[names[-1]].is_last)


def _is_queryset(names: tuple[str, ...] | None) -> bool:
    return not (names and names[-1] and STEPS[names[-1]].wrong)


@st.composite
def _listing(draw: Any, root: type[Any]) -> Listing:
    names = steps.names_for(root)
    fine = [name for name in names if not STEPS[name].wrong]
    queries = ["", "", "", "group__exact=1", "q=a", "place__name=A", *(["q=1"] * has_family(root))]
    return Listing(
        manager=draw(st.sampled_from(["_default_manager", "_base_manager"])),
        steps=draw(_pipeline(root, 2, can_end=False)),
        filter=draw(st.sampled_from(["", *fine])),
        query=draw(st.sampled_from(queries)),
        ticked=draw(st.none() | st.none() | st.lists(st.integers(0, 6), unique=True).map(tuple)),
        order=draw(st.sampled_from([(), ("-number", "pk"), ("place__name", "pk")])),
    )


@st.composite
def examples(draw: Any, *, listings: bool = False) -> Example:
    # Django's admin has no lists of models whose key is of several fields.
    roots = [root for root in ROOTS.values() if not (listings and root is models.Pair)]
    root = draw(st.sampled_from(roots))
    declared = draw(
        st.sampled_from(
            [(), (), *((name,) for name in ("case", "joined", "number", "place", "related"))]
            + ([("counted",), ("first",), ("alias",)] if has_family(root) else [])
        )
    )
    scope = draw(st.none() | _pipeline(root, 3))
    qs, chosen = None, ""
    if not listings:
        # What is no queryset has no filters, and in a FilterSet nothing follows a slice.
        is_queryset = _is_queryset(scope)
        chosen = draw(st.sampled_from(["", "", *(steps.names_for(root) if is_queryset else [])]))
        goes_on = not _ends((chosen,))
        has_filters = is_queryset and _is_queryset((chosen,))
        qs = (
            draw(st.none() | (_pipeline(root, 2) if goes_on else st.just(())))
            if has_filters
            else None
        )
    listing = draw(_listing(root)) if listings else None
    named = [
        name
        for step in (*declared, *(scope or ()), *(qs or ()))
        for name in STEPS[step].annotations
    ]
    names = st.sampled_from([*columns.names_for(root), *named])
    refused = st.sampled_from(columns.names_for(root, refused=True))
    # One that has to be refused leaves nothing to compare.
    some = draw(st.lists(refused, max_size=draw(st.sampled_from([0] * 9 + [1]))))
    return Example(
        root=root.__name__,
        columns=(*draw(st.lists(names, min_size=1, max_size=9, unique=True)), *some),
        rows=draw(_rows(root)),
        declared=declared,
        scope=scope,
        qs=qs,
        chosen=chosen,
        is_default=bool(chosen) and draw(st.booleans()),
        listing=listing,
    )


# -- Rows in the database ------------------------------------------------------------


def store(example: Example) -> None:
    """Replace all rows with those of `example`."""
    models.empty()
    Place.objects.bulk_create(
        Place(code=code, name=name, region_id=region) for code, (name, region) in PLACES.items()
    )
    root, rows = stored(example.model), example.rows
    keys = [row.key for row in rows]
    missing = {models.Word: "gone", models.Token: uuid.UUID(int=77)}.get(root, 77)
    made = []
    for row in rows:
        fields = {
            **{name: getattr(row, name) for name in ("group", "number", "text", "day", "price")},
            "hidden": row.hidden,
            "place_id": row.place,
            "perhaps_id": row.perhaps,
        }
        if root is models.Pair:
            fields |= dict(zip(("left", "right"), row.key, strict=True))
        else:
            fields["id"] = row.key
        if has_family(root) and row.parent is not None:
            fields["parent_id"] = keys[row.parent] if 0 <= row.parent < len(keys) else missing
        made.append(root(**fields))
    if issubclass(root, models.Special):
        for each in made:  # Of two tables, which bulk_create() does not fill.
            each.level = each.number
            each.save(force_insert=True)
    else:
        root._base_manager.bulk_create(made)
    if has_family(root):
        for name in ("items", "marks", "extra"):
            model = related(root, name)
            model._base_manager.bulk_create(
                model(root_id=row.key, number=number, text=str(number))
                for row in rows
                for number in getattr(row, name)
            )
