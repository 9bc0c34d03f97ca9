"""Counter-examples that a long search has found. What it finds next goes here, too."""

from __future__ import annotations

from tests.integration.differential.strategies import Example, Listing, Stored

_TWO = (Stored(("B", 0), group=2), Stored(("'", -1), group=None, number=None))
_FOUR = tuple(Stored(("a", number), number=number) for number in range(4))
_ITEMS = (Stored(1, items=(1, 2)),)

FOUND = [
    # A key of several fields: without comparisons of tuples, Django asks only whether there is
    # any such row, and forgets slices. Each of these is refused.
    Example("Pair", ("group",), _TWO, scope=("union",)),
    Example("Pair", ("group",), _TWO, scope=("difference",)),
    Example("Pair", ("number",), _FOUR, scope=("slice",)),
    Example("Pair", ("number",), _FOUR, scope=("offset",)),
    Example("Pair", ("number",), _FOUR, scope=("distinct", "slice")),
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
]
