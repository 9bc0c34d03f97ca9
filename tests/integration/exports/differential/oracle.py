"""What a file must have: by evaluating the querysets, with none of the product's code."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Subquery

from tests.integration.exports.differential import models, steps
from tests.integration.exports.differential.columns import COLUMNS, Row
from tests.integration.exports.differential.steps import ANNOTATIONS, STEPS

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tests.integration.exports.differential.making import Made
    from tests.integration.exports.differential.strategies import Example


class Unanswerable(Exception):
    """Django raises for that queryset, so the ORM gives no rows to compare with."""


class NoList(Unanswerable):
    """Nobody sees that list, so nobody can select from it."""


@dataclass
class Expected:
    """The rows of a file, in its order. `rows` is None if there is no right file."""

    keys: list[Any]
    rows: list[list[Any]] | None
    may_fail: bool = False  # Once it is planned: a view has some key twice, or a NULL.


# -- What may be refused ---------------------------------------------------------------


GROUPS_MANY = {"each", "beyond", "having many"}


def must_be_refused(example: Example) -> bool:
    columns = (COLUMNS[name] for name in example.columns if name in COLUMNS)
    return any(each.value is None for each in columns) or any(
        STEPS[name].wrong for name in example.own_steps
    )


def may_be_refused(example: Example) -> bool:
    """Whether an exporter like that may be refused. Every other one has to work."""
    own = [STEPS[name] for name in example.own_steps]
    names_annotation = any(name in ANNOTATIONS for name in example.columns)
    is_narrowed = example.listing is not None or example.qs is not None or bool(example.chosen)
    return (
        must_be_refused(example)
        or (names_annotation and (is_narrowed or any(step.loses for step in own)))
        or any(
            _is_told_by_more_than_keys(example.own_steps[:number], example.root)
            for number in range(1, len(example.own_steps) + 1)
        )
        or _is_told_by_more_than_keys(_list_steps(example), example.root)
    )


def _is_told_by_more_than_keys(names: tuple[str, ...], root: str) -> bool:
    """Whether which rows there are depends on columns besides the key: Django compares all.

    The same for a slice of a union, whose order Django cannot have beside its keys alone.
    """
    last = names[-1] if names else ""
    is_annotated = any(STEPS[name].annotations or name == "alias" for name in names)
    is_distinct = any(name.startswith("distinct") for name in names)
    compares = last != "" and (STEPS[last].compares or (is_distinct and STEPS[last].is_last))
    return (
        last == "union slice"
        or (is_annotated and compares)
        # A group of what repeats rows has more rows than the model, and a slice counts them.
        or (last != "" and GROUPS_MANY & {*names} and STEPS[last].is_last)
        # Databases without comparisons of tuples cannot look for such keys in all of these.
        or (root == "Pair" and any(STEPS[name].is_last or "window" in name for name in names))
    )


def _list_steps(example: Example) -> tuple[str, ...]:
    if (listing := example.listing) is None:
        return ()
    return (*listing.steps, listing.filter) if listing.filter else listing.steps


# -- Rows ----------------------------------------------------------------------------


def expected(example: Example, made: Made) -> Expected:
    """Raises Unanswerable or NoList."""
    rows = _listed(made) if made.model_admin is not None else []
    given = _given(example, made)
    if made.model_admin is None:
        rows = given
    elif example.has_scope:
        listed = {key for key, _ in rows}
        rows = [(key, row) for key, row in given if key in listed]
    found = dict(reversed(rows))
    if made.ticked is not None:
        found = {key: row for key, row in found.items() if key in set(made.ticked)}
    keys = _in_order(example, made, set(found))
    may_fail = _repeats(made)
    if must_be_refused(example) or _is_ambiguous(made, rows, keys):
        return Expected(keys, None, may_fail)
    annotations = _annotations(example, made, given)
    if any(len(annotations[key, name]) > 1 for key in keys for name in _named(example)):
        return Expected(keys, None, may_fail)
    values = [
        [
            next(iter(annotations[key, name]))
            if name in ANNOTATIONS
            else COLUMNS[name].value(Row(found[key]))
            for name in example.columns
        ]
        for key in keys
    ]
    return Expected(keys, values, may_fail)


def _chooses(names: tuple[str, ...]) -> bool:
    """Whether the last of the rows are chosen by others: the first three, the best of a group."""
    return any(STEPS[name].is_last or name == "window filter" for name in names)


def _given(example: Example, made: Made) -> list[tuple[Any, Any]]:
    """Each row that the ORM gives, with its key. A row may come twice."""
    try:
        own = made.exporter.get_queryset(made.user)
        if made.exporter.filterset is not None:
            if _chooses(example.scope or ()):
                # A filter narrows these rows. Django would filter first, and choose others.
                keys = [row.pk for row in own]
                every = steps.apply(made.model._base_manager.all(), example.declared)
                own = every.filter(pk__in=keys)
            own = made.exporter.filterset(made.data, queryset=own, request=made.request).qs
        return [(_plain(row.pk), row) for row in own]
    # Whatever Django and django-filter say of it: there is nothing to compare with.
    except Exception as error:
        raise Unanswerable(f"{type(error).__name__}: {error}") from error


def _listed(made: Made) -> list[tuple[Any, Any]]:
    """The rows of all pages of the admin list. Raises NoList if Django cannot show it."""
    assert made.model_admin is not None
    try:
        listed = made.model_admin.get_changelist_instance(_with_messages(made)).queryset
        return [(_plain(row.pk), row) for row in listed]
    except Exception as error:
        raise NoList(str(error)) from error


def _with_messages(made: Made) -> Any:
    request = made.request
    request._messages = _NoMessages()
    return request


class _NoMessages:
    def add(self, level: int, message: str, extra_tags: str = "") -> None:
        raise ValueError(message)


def _named(example: Example) -> list[str]:
    return [name for name in example.columns if name in ANNOTATIONS]


LOST = "an annotation that no row has any more, so that a column of it has to be refused"


def _annotations(example: Example, made: Made, given: list[Any]) -> dict[Any, set[Any]]:
    """The values of each annotation that is a column, by key and name."""
    values: dict[Any, set[Any]] = defaultdict(set)
    for key, row in given:
        for name in _named(example):
            values[key, name].add(getattr(row, name, LOST))
    if made.model_admin is not None and not example.has_scope:
        # The list may have rows that the exporter's own queryset hides.
        for row in steps.apply(made.model._base_manager.all(), example.declared):
            for name in _named(example):
                values[_plain(row.pk), name].add(getattr(row, name))
    return values


def _plain(key: Any) -> Any:
    """A key that can be compared and hashed."""
    return bytes(key) if isinstance(key, memoryview) else key


def _in_order(example: Example, made: Made, keys: set[Any]) -> list[Any]:
    """In the order in which the database has keys, or in the one that was asked for."""
    order = list(example.listing.order) if example.listing and example.listing.order else ["pk"]
    alone: QuerySet[Any] = made.model._base_manager.order_by(*order)
    if "place__name" in order:
        # Of each row alone: a required relation that points nowhere would lose it.
        alone = _by_place(made.model)
    found = [_plain(key) for key in alone.values_list("pk", flat=True)]
    return list(dict.fromkeys(key for key in found if key in keys))


def _by_place(model: type[Any]) -> QuerySet[Any]:
    name = models.Place.objects.filter(pk=OuterRef("place_id")).values("name")
    return model._base_manager.annotate(_name=Subquery(name)).order_by("_name", "pk")


def _repeats(made: Made) -> bool:
    if made.model is not models.Seen:
        return False
    keys = list(made.model._base_manager.values_list("pk", flat=True))
    return None in keys or len(set(keys)) < len(keys)


def _is_ambiguous(made: Made, rows: list[tuple[Any, Any]], keys: list[Any]) -> bool:
    """Whether a key of the file is not one row's alone."""
    if made.model is not models.Seen:
        return False
    names = [field.attname for field in made.model._meta.concrete_fields]
    different = {(key, *(getattr(row, name) for name in names)) for key, row in rows}
    found = [key for key, *_ in different if key in keys]
    return None in keys or len(set(found)) < len(found)
