"""Examples that were once exported wrongly. What a search finds next goes here, too."""

from __future__ import annotations

from tests.integration.exports.differential import models
from tests.integration.exports.differential.strategies import Example, Listing, Stored

_TWO = (Stored(("B", 0), group=2), Stored(("'", -1), group=None, number=None))
_FOUR = tuple(Stored(("a", number), number=number) for number in range(4))
_ITEMS = (Stored(1, items=(1, 2)),)

_GROUPS = tuple(
    Stored(key, group=key % 3, number=number) for key, number in enumerate((1, 2, 3, 0, 3, 1))
)
_HIDDEN = (Stored(1), Stored(2, hidden=True))

FOUND = [
    # A required relation that points nowhere.
    Example("Number", ("number", "place__name", "upper"), (Stored(1, place="nowhere"),)),
    # Aggregates over several relations: of columns, and of get_queryset and a column.
    Example("Number", ("items", "marks", "sum marks"), (Stored(1, items=(1, 2), marks=(1, 2, 3)),)),
    Example("Number", ("marks",), (Stored(1, items=(1, 2), marks=(1,)),), scope=("counted",)),
    Example("Number", ("marks",), (Stored(1, items=(1, 2), marks=(1,)),), scope=("items",)),
    # One row of each group: by a window whose rows are in several parts, and in an admin list.
    Example("Number", ("number",), _GROUPS, scope=("window filter",)),
    Example("Number", ("number",), _GROUPS, chosen="window filter"),
    Example("Number", ("number",), _GROUPS, listing=Listing(filter="window filter")),
    # A list that shows what the exporter's manager hides, and an exporter that insists on it.
    Example("Shy", ("number", "hidden"), _HIDDEN, listing=Listing(manager="_base_manager")),
    Example("Shy", ("hidden",), _HIDDEN, scope=(), listing=Listing(manager="_base_manager")),
    # A FilterSet that narrows without being asked to.
    Example("Number", ("number",), (Stored(1), Stored(2, number=0)), qs=("number",)),
    Example(
        "Number", ("number",), (Stored(1), Stored(2, number=0)), chosen="number", is_default=True
    ),
    # A key of several fields: without comparisons of tuples, Django asks only whether there is
    # any such row, and forgets slices. Each of these is refused.
    Example("Pair", ("group",), _TWO, scope=("union",)),
    Example("Pair", ("group",), _TWO, scope=("difference",)),
    Example("Pair", ("number",), _FOUR, scope=("slice",)),
    Example("Pair", ("number",), _FOUR, scope=("offset",)),
    Example("Pair", ("number",), _FOUR, scope=("distinct", "slice")),
    Example("Pair", ("number",), _FOUR, scope=("distinct",)),
    # Columns of the order that are selected beside the key.
    Example("Number", ("number",), (Stored(1),), scope=("union by field",)),
    # A relation to many that the queryset has joined already.
    Example("Number", ("number", "items__number"), _ITEMS, declared=("counted",)),
    Example("Number", ("number", "items__number"), _ITEMS, declared=("alias",)),
    # A group of what repeats rows, in a slice.
    Example(
        "Number",
        ("number",),
        (
            Stored(1, number=4, items=(1, 2, 3)),
            Stored(2, number=3, items=(1,)),
            Stored(3, number=2, items=(1,)),
        ),
        declared=("alias",),
        scope=("each", "slice"),
    ),
    Example("Bytes", ("number",), (Stored(b"a"),)),
    Example("Bytes", ("number",), (Stored(b""),)),
    # Keys of a view that repeat, across parts, or are NULL.
    Example("Seen", ("number",), (Stored(1), Stored(2, number=2))),
    Example("Seen", ("number",), (Stored(1), Stored(2), Stored(3), Stored(10, group=2))),
    Example("Seen", ("number",), (Stored(1, group=None), Stored(2))),
    Example(
        "Seen", ("number",), (Stored(1, group=None), Stored(2, group=2)), scope=("difference",)
    ),
    Example(
        "Seen",
        ("number",),
        (Stored(1), Stored(2, group=None)),
        listing=Listing(order=("-number", "pk")),
    ),
    # A slice of a FilterSet counts the rows that get_queryset repeats.
    Example(
        "Number",
        ("number",),
        (Stored(1), Stored(3), Stored(2, items=(1,), marks=(1, 1))),
        scope=("items marks",),
        qs=("offset",),
    ),
    # A slice of a union counts whole rows, which an annotation of many makes more.
    Example(
        "Number",
        ("number",),
        (Stored(1), Stored(2), Stored(0, items=(1, 0))),
        scope=("each",),
        chosen="union first",
    ),
    # A filter does not make another row the best of its group, nor one of the first three.
    *(
        Example(
            "Number",
            ("number",),
            tuple(
                Stored(number, number=number, place="a" if number < 3 else "b")
                for number in range(5)
            ),
            scope=(choosing,),
            qs=("by key",),
        )
        for choosing in ("window filter", "slice", "union first")
    ),
    # A filter has the annotations of the exporter's queryset, by which Django groups its rows.
    Example(
        "Number",
        ("number",),
        (Stored(1), Stored(2, items=(1, 1, 1)), Stored(3, items=(1,))),
        declared=("counted",),
        scope=("slice",),
        chosen="slice items",
    ),
    # An aggregate of groups that are less than a row.
    *(
        Example("Special", ("counted",), (Stored(1, items=items),), ("counted",), qs=("each",))
        for items in ((1, 0), (1, 1, 0))
    ),
    # An order splits groups, too.
    Example(
        "Word", ("counted",), (Stored("a", items=(None, 1)),), ("counted",), chosen="ordered many"
    ),
    # A filter has that grouping also where another join has multiplied the annotations.
    Example(
        "Number",
        ("number",),
        (
            Stored(1, hidden=True, parent=0, items=(1,)),
            Stored(2, hidden=True, items=(1, 1, 1), extra=(1,)),
            Stored(0, parent=1, items=(1, 1, 1), marks=(1,)),
            Stored(3, parent=1, items=(1, 1, 1), marks=(1, 1)),
        ),
        declared=("alias",),
        scope=("children", "counted", "offset"),
        qs=("children", "sql", "offset"),
        chosen="exists",
    ),
]
if models.IS_POSTGRES:
    FOUND += [
        Example("Number", ("number",), _GROUPS, scope=("distinct on",)),
        Example("Number", ("number",), _GROUPS, chosen="distinct on"),
        # What Django itself cannot do.
        Example(
            "Number", ("number",), (), scope=("distinct on",), qs=("distinct on",), chosen="counted"
        ),
        Example("Number", ("number",), _GROUPS, listing=Listing(filter="distinct on")),
    ]
