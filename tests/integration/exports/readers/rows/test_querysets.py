"""Querysets that cannot be cut by keys: their rows, each once, or a refusal in words."""

from __future__ import annotations

import pytest
from django.db.models import Count, Exists, F, OuterRef, Subquery, Window
from django.db.models.functions import Random, RowNumber

from exports.exceptions import InvalidQueryset
from exports.exporters import Column
from exports.exporters.joins import number_of_rows
from exports.spec import queryset
from tests.support.library import ONLY_POSTGRES, READERS, exporter, names, rows_of
from tests.support.library_models import Author, AuthorShown, Book, Draft, Page
from tests.support.reading import planned

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.proves("file-matches-queryset")]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (lambda: Author.everyone.order_by("-name")[:2], ["Bob", "Cid"]),
        (lambda: Author.everyone.order_by("born")[1:], ["Bob", "Cid"]),
        (lambda: Author.everyone.all()[:0], []),
        (Author.everyone.none, []),
        (
            lambda: Author.everyone.filter(name="Ann").union(Author.everyone.filter(name="Cid")),
            ["Ann", "Cid"],
        ),
        (
            lambda: Author.everyone.all().difference(Author.everyone.filter(name="Cid")),
            ["Ann", "Bob"],
        ),
        (
            lambda: Author.everyone.all().intersection(Author.everyone.filter(name="Cid")),
            ["Cid"],
        ),
        (
            lambda: (
                Author.everyone.filter(name="Ann")
                .union(Author.everyone.filter(name="Cid"))
                .order_by("pk")[:1]
            ),
            ["Ann"],
        ),
        (lambda: Author.everyone.filter(books__tags__word__startswith="t"), ["Ann", "Cid"]),
        (lambda: Author.everyone.filter(books__isnull=False).distinct(), ["Ann", "Cid"]),
        (
            lambda: Author.everyone.annotate(
                place=Window(RowNumber(), partition_by="born", order_by="-name")
            ).filter(place=1),
            ["Bob", "Cid"],
        ),
        (
            lambda: Author.everyone.annotate(word=F("books__title"), n=Count("awards")),
            ["Ann", "Bob", "Cid"],
        ),
        (lambda: Author.everyone.extra(where=["born > 1900"]), ["Bob"]),
        (AuthorShown.objects.all, ["Ann", "Cid"]),
        (lambda: Author.everyone.exclude(books__tags__word="t2"), ["Ann", "Bob"]),
    ],
)
def test_queryset_rows_come_once_each(superuser, by, rows, expected):
    made = exporter(["name", "country__name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        assert names(rows_of(made, superuser, by, part_rows)) == expected
    assert sorted({each.name for each in rows()}) == expected


@ONLY_POSTGRES
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (lambda: Author.everyone.order_by("born", "name").distinct("born"), ["Ann", "Bob"]),
        (lambda: Author.everyone.order_by("born", "-name").distinct("born"), ["Bob", "Cid"]),
        (lambda: Author.everyone.order_by("born", "-name").distinct("born")[1:], ["Bob"]),
        (
            lambda: Author.everyone.order_by(F("born").desc(), "-pk").distinct("born"),
            ["Bob", "Cid"],
        ),
        # In no order, or not in all of the fields, the first key of each group is chosen.
        (lambda: Author.everyone.distinct("born"), ["Ann", "Bob"]),
        (lambda: Author.everyone.order_by("born").distinct("born", "deleted"), ["Ann", "Bob"]),
        (lambda: Author.everyone.distinct("country"), ["Ann", "Cid"]),
    ],
)
def test_distinct_field_keeps_its_order(superuser, rows, expected):
    made = exporter(["name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        assert names(rows_of(made, superuser, part_rows=part_rows)) == expected


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda: None, "returns NoneType. It must return a queryset of tests.Author"),
        (lambda: [1], "returns list"),
        (lambda: Author.everyone.raw("SELECT 1"), "returns RawQuerySet"),
        (Book.objects.all, "returns rows of tests.Book"),
        (lambda: Author.everyone.values("name"), "rows have no primary key"),
        (lambda: Author.everyone.values_list("pk", flat=True), "rows have no primary key"),
        (lambda: Author.everyone.values("born").annotate(n=Count("pk")), "have no primary key"),
    ],
)
def test_wrong_return_value_of_get_queryset_is_refused(superuser, rows, message):
    with pytest.raises(InvalidQueryset, match=message):
        queryset.rows(exporter(["name"], get_queryset=rows), superuser, {})


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("rows", "obstacle"),
    [
        (lambda: Author.everyone.annotate(n=Count("books"))[:2], "slice"),
        (lambda: Author.everyone.annotate(n=Count("books")).distinct(), r"distinct\(\)"),
        (lambda: Author.everyone.annotate(n=Window(RowNumber(), order_by="pk")), "window function"),
        (lambda: Author.everyone.annotate(n=F("books__year")), "books"),
    ],
)
def test_annotation_that_cannot_be_cut_is_refused_with_a_remedy(superuser, rows, obstacle):
    made = exporter(["n"], Author.everyone.annotate(n=F("pk")), get_queryset=rows)

    with pytest.raises(InvalidQueryset, match=f"because of its {obstacle}.*Subquery"):
        queryset.rows(made, superuser, {})


@pytest.mark.usefixtures("library")
def test_annotation_that_the_exporter_declares_survives_a_slice(superuser):
    newest = Book.objects.filter(author=OuterRef("pk")).order_by("-title").values("title")[:1]
    declared = Author.everyone.annotate(newest=Subquery(newest))
    made = exporter(
        ["name", "newest"], declared, get_queryset=lambda: declared.order_by("name")[:2]
    )

    assert rows_of(made, superuser) == [["Ann", "B2"], ["Bob", ""]]


def test_slice_among_equal_rows_is_ordered_by_key(superuser):
    for name in ("Ann", "Bob", "Cid"):
        Author.everyone.create(name=name, born=1900, country_id="at")
    # PostgreSQL then finds Ann after the others.
    Author.everyone.filter(name="Ann").update(deleted=True)
    made = exporter(["name"], get_queryset=lambda: Author.everyone.order_by("born")[:2])

    assert names(rows_of(made, superuser)) == ["Ann", "Bob"]


@pytest.mark.usefixtures("library")
def test_annotation_that_another_join_multiplies_is_refused(superuser):
    declared = Author.everyone.annotate(written=Count("books"))
    made = exporter(
        ["name", "written"],
        declared,
        get_queryset=lambda: declared.filter(awards__isnull=False).distinct(),
    )
    # What the ORM gives: two books by three awards.
    assert made.get_queryset(superuser).get(name="Ann").written == 6

    with pytest.raises(InvalidQueryset, match=r"because of its distinct\(\)"):
        queryset.rows(made, superuser, {})


def by_random():
    """A value that each query makes anew."""
    return Author.everyone.annotate(value=Random())


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "rows",
    [
        lambda: Author.everyone.order_by("?")[:2],
        lambda: by_random().order_by("-value")[:2],
        lambda: by_random().order_by(F("value").desc())[:2],
        lambda: Author.everyone.order_by(Random() * 2)[1:],
        lambda: by_random().filter(value__lt=0.5),
        lambda: Author.everyone.filter(pk__in=Author.everyone.order_by("?")[:2]),
        lambda: Author.everyone.exclude(Exists(by_random().filter(value__gt=F("pk")))),
        lambda: Author.everyone.filter(name="Ann").union(by_random().filter(value__lt=0.5)),
    ],
)
def test_randomly_chosen_rows_are_refused(superuser, rows):
    made = exporter(["name"], get_queryset=rows)

    with pytest.raises(InvalidQueryset, match=r"at random.*pk__in"):
        queryset.rows(made, superuser, {})


@pytest.mark.parametrize("by", READERS)
@pytest.mark.parametrize(
    "rows",
    [
        Draft.everything.all,
        Draft.everything.distinct,
        lambda: Draft.everything.order_by("-title")[:2],
        lambda: Draft.everything.filter(pages__isnull=False),
        lambda: Draft.everything.annotate(n=Count("pages")),
    ],
)
def test_default_manager_hides_no_rows_of_the_queryset(superuser, library, by, rows):
    for title, deleted in (("kept", False), ("old", True)):
        draft = Draft.everything.create(title=title, author=library[0], deleted=deleted)
        Page.objects.bulk_create([Page(draft=draft), Page(draft=draft)])
    columns = ["title", "author__name", Column("pages", Count("pages"))]

    found = rows_of(exporter(columns, Draft.objects.all(), get_queryset=rows), superuser, by)

    assert found == [["kept", "Ann", "2"], ["old", "Ann", "2"]]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "rows",
    [
        lambda: Author.everyone.annotate(land=F("country__name")),
        lambda: Author.everyone.annotate(title=F("books__title"), n=Count("awards")),
        lambda: Author.everyone.filter(books__year__gt=1),
        lambda: Author.everyone.annotate(n=Count("books")).filter(n__gt=0),
        lambda: Author.everyone.annotate(n=Window(RowNumber())),
        lambda: Author.everyone.select_related("country"),
        lambda: Author.everyone.order_by("country__name")[:9],
        lambda: Author.everyone.union(Author.everyone.filter(name="Ann")),
    ],
)
def test_preview_and_plan_count_the_rows_of_the_file(superuser, rows):
    made = exporter(["name", "country__name"], get_queryset=rows)
    found = queryset.rows(made, superuser, {})

    written = len(rows_of(made, superuser))

    assert number_of_rows(found) == sum(part.rows for part in planned(found, 2)) == written


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("rows", [lambda: Author.everyone.order_by("?"), by_random])
def test_random_order_and_values_leave_the_rows_unchanged(superuser, rows):
    made = exporter(["name"], get_queryset=rows)

    assert names(rows_of(made, superuser)) == ["Ann", "Bob", "Cid"]


@pytest.mark.only_on("sqlite")
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "rows",
    [
        lambda: Author.everyone.order_by("name").union(Author.everyone.order_by("born")),
        lambda: Author.everyone.all()[:1].union(Author.everyone.all()[1:]),
    ],
)
def test_rows_that_cannot_be_selected_are_refused_at_the_request(superuser, rows):
    made = exporter(["name"], get_queryset=rows)

    with pytest.raises(InvalidQueryset, match=r'"library" cannot be selected: .*compound.*pk__in'):
        queryset.rows(made, superuser, {})


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
@pytest.mark.parametrize(
    "rows",
    [
        lambda: Author.everyone.select_related("country", "mentor"),
        lambda: Author.everyone.order_by("country__name"),
        Author.everyone.select_for_update,
        lambda: Author.everyone.prefetch_related("books"),
        lambda: Author.everyone.defer("country"),
    ],
)
def test_loading_and_sorting_options_change_no_rows(superuser, by, rows):
    made = exporter(["name", "country__name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        found = rows_of(made, superuser, by, part_rows)
        assert found == [["Ann", "Austria"], ["Bob", "Austria"], ["Cid", ""]]
