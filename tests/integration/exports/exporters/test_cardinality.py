"""Whatever a relation is made of, a row is in the file once, or the column is refused."""

from __future__ import annotations

import pytest
from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    Func,
    IntegerField,
    OuterRef,
    Q,
    Subquery,
    Value,
)

from exports.exceptions import InvalidQueryset, InvalidSelection
from exports.exporters import Column, checks
from exports.exporters.joins import number_of_rows
from exports.spec import changelist, queryset
from tests.support.library import ONLY_POSTGRES, READERS, exporter, names, rows_of
from tests.support.library_models import (
    Author,
    Award,
    Book,
    Country,
    Note,
    Profile,
    Stay,
    Tag,
    tables,
)

pytestmark = pytest.mark.django_db(transaction=True)


class Unnest(Func):
    """Gives a row for each of its numbers."""

    set_returning = True
    template = "unnest((%(expressions)s)::int[])"
    output_field = IntegerField()


@pytest.fixture(autouse=True)
def library():
    """Ann has two of everything, Bob has nothing."""
    with tables():
        Country.objects.create(code="at", name="Austria")
        ann, _, cid, dan = (
            Author.everyone.create(name=name, born=1900, country_id="at")
            for name in ("Ann", "Bob", "Cid", "Dan")
        )
        Author.everyone.filter(pk__in=[cid.pk, dan.pk]).update(mentor=ann)
        Profile.objects.create(author=ann, motto="dare")
        ann.friends.add(cid, dan)
        for number, editor in enumerate([cid, dan]):
            book = Book.objects.create(
                title=f"B{number}", price=1, year=2000 + number, author=ann, editor=editor
            )
            book.tags.add(*(Tag.objects.create(word=f"t{n}") for n in range(2)))
            Award.objects.create(author=ann, points=number)
            Note.objects.create(text=f"n{number}", about=ann)
            Stay.objects.create(code="at")
        Stay.objects.create(code="nowhere")
        yield


def refused(made):
    return [problem for problem, _ in checks._problems(made)]


MANY = {
    "books": "title",
    "friends": "name",
    "pupils": "name",
    "notes": "text",
    "books__tags": "word",
    "country__authors": "name",
    "mentor__friends": "name",
}


@pytest.mark.parametrize(("relation", "field"), MANY.items())
def test_column_of_many_rows_is_refused(superuser, relation, field):
    path = f"{relation}__{field}"
    for column in (
        path,
        Column("made", F(path)),
        Column("called", needs=[path], python=str),
        Column("beside", Count("awards") + Count(path) - F(f"{relation}__pk")),
    ):
        made = exporter(["name", column])

        assert any("has several rows for each row" in problem for problem in refused(made))
        with pytest.raises(InvalidQueryset, match="has several rows for each row"):
            queryset.rows(made, superuser, {})


@pytest.mark.parametrize(("relation", "field"), MANY.items())
@pytest.mark.parametrize("by", READERS)
def test_filter_on_many_rows_gives_each_row_once(superuser, by, relation, field):
    made = exporter(
        ["name", Column("awards", Count("awards")), "profile__motto"],
        get_queryset=lambda: Author.everyone.filter(**{f"{relation}__{field}__isnull": False}),
    )
    expected = sorted({each.name for each in made.get_queryset(superuser)})

    for part_rows in (1, 1_000):
        found = rows_of(made, superuser, by, part_rows)

        assert names(found) == expected
        assert found[0] in (["Ann", "2", "dare"], ["Cid", "0", ""])


@pytest.mark.parametrize("by", READERS)
def test_reverse_one_to_one_keeps_one_row(superuser, by):
    made = exporter(["name", "profile__motto", "mentor__profile__motto"])

    assert not refused(made)
    assert rows_of(made, superuser, by) == [
        ["Ann", "dare", ""],
        ["Bob", "", ""],
        ["Cid", "", "dare"],
        ["Dan", "", "dare"],
    ]


@pytest.mark.parametrize("by", READERS)
def test_foreign_object_is_followed_like_a_foreign_key(superuser, by):
    stays = exporter(["code", "country__name"], Stay.objects.all())
    countries = exporter(["code", "stays__code"], Country.objects.all())
    counted = exporter(["code", Column("stays", Count("stays"))], Country.objects.all())

    assert rows_of(stays, superuser, by) == [["at", "Austria"], ["at", "Austria"], ["nowhere", ""]]
    assert any('"stays" has several rows for each row' in problem for problem in refused(countries))
    assert rows_of(counted, superuser, by) == [["at", "2"]]


@pytest.mark.parametrize("by", READERS)
def test_filtered_relation_repeats_no_row(superuser, by):
    newest = FilteredRelation("books", condition=Q(books__year__gte=2000))
    joined = Author.everyone.annotate(newer=newest)
    made = exporter(["name"], joined, get_queryset=lambda: joined.filter(newer__price=1))

    assert names(rows_of(made, superuser, by, 1)) == ["Ann"]
    with pytest.raises(InvalidQueryset, match='"books" has several rows for each row'):
        queryset.rows(exporter(["newer__title"], joined), superuser, {})


# The annotation "more" is not of the row alone.
GROUPED = [
    # It is beyond the many rows,
    lambda: Author.everyone.annotate(n=Count("awards"), more=F("books__editor__name")),
    # a part of it aggregates and another does not,
    lambda: Author.everyone.annotate(more=Count("awards") + F("books__year")),
    # or a subquery compares with one of the many rows.
    lambda: Author.everyone.annotate(
        n=Count("awards"), more=Subquery(Tag.objects.filter(pk=OuterRef("books")).values("word"))
    ),
    lambda: Author.everyone.annotate(
        n=Count("awards"), more=Exists(Book.objects.filter(title=OuterRef("books__title")))
    ),
]


@pytest.mark.parametrize(
    "grouped",
    [
        *GROUPED,
        lambda: Author.everyone.annotate(n=Count("awards")).filter(
            Q(n__gt=5) | Q(books__year__gte=2000)
        ),
    ],
)
@pytest.mark.parametrize("by", READERS)
def test_groups_of_many_rows_give_each_row_once(superuser, by, grouped):
    made = exporter(["name"], get_queryset=grouped)
    expected = sorted({each.name for each in grouped()})

    for part_rows in (1, 1_000):
        assert names(rows_of(made, superuser, by, part_rows)) == expected


@pytest.mark.parametrize("grouped", GROUPED)
def test_annotation_of_many_rows_is_refused_as_a_column(superuser, grouped):
    made = exporter(
        ["name", "more"], Author.everyone.annotate(more=Value("")), get_queryset=grouped
    )

    with pytest.raises(InvalidQueryset, match=r"because of its books.*Subquery"):
        queryset.rows(made, superuser, {})


def test_column_beyond_a_joined_relation_is_refused(superuser):
    counted = Author.everyone.annotate(n=Count("books"))
    made = exporter(["n", "books__editor__name"], counted)

    assert any("has several rows for each row" in problem for problem in refused(made))
    with pytest.raises(InvalidQueryset, match="has several rows for each row"):
        queryset.rows(made, superuser, {})


def test_order_by_joined_many_rows_is_refused():
    counted = Author.everyone.annotate(n=Count("books"))

    assert changelist.narrow(counted, {"order": ["-n", "country__name", "pk"]}).query.order_by
    for order in ("books__title", "-books__editor__name", "notes"):
        with pytest.raises(InvalidSelection, match="that repeats rows"):
            changelist.narrow(counted, {"order": [order]})


def test_aggregate_combined_with_a_many_row_field_is_refused(superuser):
    made = exporter(["name", Column("odd", Count("awards") + F("books__year"))])

    assert any('"books" has several rows for each row' in problem for problem in refused(made))


@ONLY_POSTGRES
def test_set_returning_function_is_refused_as_a_column(superuser):
    numbers = Unnest(Value("{1,2}"))
    made = exporter(["name", Column("number", numbers)])
    annotated = exporter(
        ["name", "number"],
        Author.everyone.annotate(number=Value(1)),
        get_queryset=lambda: Author.everyone.annotate(number=numbers),
    )

    assert any("several rows for each row" in problem for problem in refused(made))
    with pytest.raises(InvalidQueryset, match="several rows for each row"):
        queryset.rows(annotated, superuser, {})


@ONLY_POSTGRES
@pytest.mark.parametrize("by", READERS)
def test_set_returning_function_repeats_no_rows(superuser, by):
    made = exporter(
        ["name"], get_queryset=lambda: Author.everyone.annotate(number=Unnest(Value("{1,2}")))
    )

    assert names(rows_of(made, superuser, by, 1)) == ["Ann", "Bob", "Cid", "Dan"]
    assert number_of_rows(queryset.rows(made, superuser, {})) == 4
