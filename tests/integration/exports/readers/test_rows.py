"""The file has the rows and values that the ORM gives, or the request is refused in words."""

from __future__ import annotations

import csv
import io
import json

import django_filters
import pytest
from django.db import connection
from django.db.models import Avg, Count, Exists, F, Max, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import Random, RowNumber

from exports.exceptions import InvalidQueryset
from exports.exporters import Column, Exporter
from exports.exporters.joins import number_of_rows
from exports.spec import query
from tests.support.library_models import (
    Author,
    AuthorShown,
    Award,
    Book,
    Country,
    Draft,
    Page,
    Profile,
    Tag,
    tables,
)
from tests.support.reading import extracted, planned

pytestmark = pytest.mark.django_db(transaction=True)

READERS = ["rows", *(["copy"] if connection.vendor == "postgresql" else [])]
ONLY_POSTGRES = pytest.mark.only_on("postgres")


@pytest.fixture(autouse=True)
def _own_tables():
    with tables():
        yield


@pytest.fixture
def library():
    """Ann wrote two books and has three awards; Bob has neither; Cid's country is not there."""
    Country.objects.create(code="at", name="Austria")
    ann, bob, cid = (
        Author.everyone.create(name=name, born=born, country_id=country, deleted=deleted)
        for name, born, country, deleted in [
            ("Ann", 1900, "at", False),
            ("Bob", 1950, "at", True),
            ("Cid", 1900, "nowhere", False),
        ]
    )
    Author.everyone.filter(pk=bob.pk).update(mentor=cid)
    Profile.objects.create(author=ann, motto="=carpe")
    for number, author in enumerate([ann, ann, cid], start=1):
        book = Book.objects.create(title=f"B{number}", price=number, year=2000, author=author)
        book.tags.add(*(Tag.objects.create(word=f"t{n}") for n in range(number)))
    Book.objects.create(title="B4", price=4, year=2001, author_id=99)
    for points in (1, 2, 4):
        Award.objects.create(author=ann, points=points)
    return ann, bob, cid


def exporter(columns, queryset=None, get_queryset=None, filterset=None):
    own = {} if get_queryset is None else {"get_queryset": lambda self, user: get_queryset()}
    kind = type(
        "Library",
        (Exporter,),
        {
            "queryset": Author.everyone.all() if queryset is None else queryset,
            "columns": columns,
            "permission": "tests.any",
            "filterset": filterset,
            **own,
        },
    )
    return kind()


def rows_of(made, person, by="rows", part_rows=2, file_format="csv", **params):
    """The rows of the file, without its header."""
    chosen = query.columns(made, params.get("columns"))
    found = query.rows(made, person, params)
    file = extracted(found, chosen, file_format, by=by, part_rows=part_rows, page_rows=2).file
    if file_format == "jsonl":
        return [list(json.loads(line).values()) for line in file.splitlines()]
    return list(csv.reader(io.StringIO(file.decode(), newline="")))[1:]


# -- Relations that point nowhere ------------------------------------------------------------


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "column",
    [
        "country__name",
        Column("land", F("country__name")),
        Column("mentor_country", F("mentor__country__name")),
    ],
)
def test_foreign_key_that_points_nowhere_keeps_its_row(person, by, file_format, column):
    made = exporter(["name", column])

    found = rows_of(made, person, by, file_format=file_format)

    assert [row[0] for row in found] == ["Ann", "Bob", "Cid"]
    assert found[2][1] in {None, ""}


@pytest.mark.usefixtures("library")
def test_python_column_gets_none_for_a_row_that_is_not_there(person):
    made = exporter(["name", Column("told", needs=["country__name"], python=repr)])

    assert rows_of(made, person)[2] == ["Cid", "None"]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_sorting_by_a_relation_that_points_nowhere_keeps_every_row(person, by):
    made = exporter(["name", "country__name"])
    found = query.rows(made, person, {}).order_by("country__name", "-country", "pk")

    file = extracted(found, made.all_columns(), by=by).file

    assert sorted(line.split(b",")[0] for line in file.splitlines()[1:]) == [b"Ann", b"Bob", b"Cid"]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
@pytest.mark.parametrize(
    "rows",
    [
        # Django needs no join to compare a key, and remembers the one that it did not make.
        lambda: Author.everyone.filter(country__code="nowhere"),
        lambda: Author.everyone.exclude(country__code="at"),
        lambda: Author.everyone.filter(country__code__in=["nowhere"]),
        lambda: Author.everyone.filter(Q(country__code="nowhere") | Q(country__code="none")),
        lambda: Author.everyone.annotate(code=F("country__code")).filter(code="nowhere"),
        lambda: Author.everyone.filter(country__code="nowhere").distinct(),
    ],
)
def test_filter_by_a_key_that_points_nowhere_keeps_its_row(person, by, rows):
    made = exporter(["name", "country__name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        assert rows_of(made, person, by, part_rows) == [["Cid", ""]]


@pytest.mark.usefixtures("library")
def test_filter_on_a_joined_row_still_narrows(person):
    made = exporter(
        ["name", "country__name"],
        get_queryset=lambda: Author.everyone.filter(country__name="Austria"),
    )

    assert rows_of(made, person) == [["Ann", "Austria"], ["Bob", "Austria"]]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_subquery_over_a_key_that_points_nowhere_keeps_its_row(person, by):
    named = Author.everyone.filter(country__name=OuterRef("country__name")).order_by("pk")
    made = exporter(
        [
            "name",
            Column("first", Subquery(named.values("name")[:1])),
            Column("has", Exists(Book.objects.filter(title=OuterRef("country__name")))),
        ]
    )

    assert rows_of(made, person, by) == [
        ["Ann", "Ann", "false"],
        ["Bob", "Ann", "false"],
        ["Cid", "", "false"],
    ]


# -- Aggregates ------------------------------------------------------------------------------

TOTALS = [
    "name",
    Column("books", Count("books")),
    Column("awards", Count("awards")),
    Column("points", Sum("awards__points", default=0)),
    Column("dear", Count("books", filter=Q(books__price__gt=1))),
    Column("mean", Sum("awards__points") / Count("awards")),
    Column("tags", Count("books__tags", distinct=True)),
    Column("latest", Max("books__year")),
    Column("at_home", Count("country__authors")),
    Column("own", Avg("born")),
]
EXPECTED = [
    ["Ann", "2", "3", "7", "1", "2", "3", "2000", "2"],
    ["Bob", "0", "0", "0", "0", "", "0", "", "2"],
    ["Cid", "1", "0", "0", "1", "", "3", "2000", "0"],
]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_aggregates_over_several_relations_do_not_multiply(person, by):
    found = rows_of(exporter(TOTALS), person, by)

    assert [row[:-1] for row in found] == EXPECTED
    assert [float(row[-1]) for row in found] == [1900, 1950, 1900]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "narrowed",
    [
        lambda: Author.everyone.annotate(n=Count("books__tags")),
        lambda: Author.everyone.filter(awards__points__gt=1),
        lambda: Author.everyone.filter(books__tags__word="t0").annotate(n=Count("books")),
    ],
)
def test_what_a_queryset_joins_changes_no_aggregate_of_a_column(person, narrowed):
    made = exporter(TOTALS, get_queryset=narrowed)

    for row in rows_of(made, person):
        assert row[:-1] in EXPECTED


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_annotation_of_the_queryset_and_aggregate_column_go_together(person, by):
    counted = Author.everyone.annotate(n=Count("books"))
    made = exporter(["n", Column("awards", Count("awards")), Column("twice", F("n") * 2)], counted)

    assert rows_of(made, person, by) == [["2", "3", "4"], ["0", "0", "0"], ["1", "0", "2"]]


# -- Querysets that cannot be cut by keys ------------------------------------------------------


def names(found):
    return [row[0] for row in found]


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
def test_rows_are_those_of_the_queryset_each_once(person, by, rows, expected):
    made = exporter(["name", "country__name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        assert names(rows_of(made, person, by, part_rows)) == expected
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
def test_distinct_by_a_field_keeps_the_order_that_chooses(person, rows, expected):
    made = exporter(["name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        assert names(rows_of(made, person, part_rows=part_rows)) == expected


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda: None, "returns NoneType. It has to return a queryset of tests.Author"),
        (lambda: [1], "returns list"),
        (lambda: Author.everyone.raw("SELECT 1"), "returns RawQuerySet"),
        (Book.objects.all, "returns rows of tests.Book"),
        (lambda: Author.everyone.values("name"), "rows have no primary key"),
        (lambda: Author.everyone.values_list("pk", flat=True), "rows have no primary key"),
        (lambda: Author.everyone.values("born").annotate(n=Count("pk")), "have no primary key"),
    ],
)
def test_what_is_no_queryset_of_the_model_is_refused(person, rows, message):
    with pytest.raises(InvalidQueryset, match=message):
        query.rows(exporter(["name"], get_queryset=rows), person, {})


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
def test_annotation_that_cannot_be_cut_is_refused_with_the_remedy(person, rows, obstacle):
    made = exporter(["n"], Author.everyone.annotate(n=F("pk")), get_queryset=rows)

    with pytest.raises(InvalidQueryset, match=f"because of its {obstacle}.*Subquery"):
        query.rows(made, person, {})


@pytest.mark.usefixtures("library")
def test_annotation_that_the_exporter_declares_survives_a_slice(person):
    newest = Book.objects.filter(author=OuterRef("pk")).order_by("-title").values("title")[:1]
    declared = Author.everyone.annotate(newest=Subquery(newest))
    made = exporter(
        ["name", "newest"], declared, get_queryset=lambda: declared.order_by("name")[:2]
    )

    assert rows_of(made, person) == [["Ann", "B2"], ["Bob", ""]]


def test_slice_among_equal_rows_is_settled_by_key(person):
    for name in ("Ann", "Bob", "Cid"):
        Author.everyone.create(name=name, born=1900, country_id="at")
    # PostgreSQL then finds Ann after the others.
    Author.everyone.filter(name="Ann").update(deleted=True)
    made = exporter(["name"], get_queryset=lambda: Author.everyone.order_by("born")[:2])

    assert names(rows_of(made, person)) == ["Ann", "Bob"]


@pytest.mark.usefixtures("library")
def test_annotation_that_another_join_multiplies_is_refused(person):
    declared = Author.everyone.annotate(written=Count("books"))
    made = exporter(
        ["name", "written"],
        declared,
        get_queryset=lambda: declared.filter(awards__isnull=False).distinct(),
    )
    # What the ORM gives: two books by three awards.
    assert made.get_queryset(person).get(name="Ann").written == 6

    with pytest.raises(InvalidQueryset, match=r"because of its distinct\(\)"):
        query.rows(made, person, {})


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
def test_rows_that_are_chosen_at_random_are_refused(person, rows):
    made = exporter(["name"], get_queryset=rows)

    with pytest.raises(InvalidQueryset, match=r"at random.*pk__in"):
        query.rows(made, person, {})


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
def test_no_manager_hides_rows_of_the_queryset(person, library, by, rows):
    for title, deleted in (("kept", False), ("old", True)):
        draft = Draft.everything.create(title=title, author=library[0], deleted=deleted)
        Page.objects.bulk_create([Page(draft=draft), Page(draft=draft)])
    columns = ["title", "author__name", Column("pages", Count("pages"))]

    found = rows_of(exporter(columns, Draft.objects.all(), get_queryset=rows), person, by)

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
def test_preview_and_plan_count_the_rows_of_the_file(person, rows):
    made = exporter(["name", "country__name"], get_queryset=rows)
    found = query.rows(made, person, {})

    written = len(rows_of(made, person))

    assert number_of_rows(found) == sum(part.rows for part in planned(found, 2)) == written


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("rows", [lambda: Author.everyone.order_by("?"), by_random])
def test_random_order_and_values_choose_no_rows(person, rows):
    made = exporter(["name"], get_queryset=rows)

    assert names(rows_of(made, person)) == ["Ann", "Bob", "Cid"]


@pytest.mark.only_on("sqlite")
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "rows",
    [
        lambda: Author.everyone.order_by("name").union(Author.everyone.order_by("born")),
        lambda: Author.everyone.all()[:1].union(Author.everyone.all()[1:]),
    ],
)
def test_rows_that_the_database_cannot_select_are_refused_at_the_request(person, rows):
    made = exporter(["name"], get_queryset=rows)

    with pytest.raises(InvalidQueryset, match=r'"library" cannot be selected: .*compound.*pk__in'):
        query.rows(made, person, {})


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
def test_how_rows_are_loaded_and_sorted_changes_none_of_them(person, by, rows):
    made = exporter(["name", "country__name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        found = rows_of(made, person, by, part_rows)
        assert found == [["Ann", "Austria"], ["Bob", "Austria"], ["Cid", ""]]


# -- Filters ---------------------------------------------------------------------------------


def filters_by(method):
    return type(
        "Filters",
        (django_filters.FilterSet,),
        {
            "narrow": django_filters.CharFilter(method="narrowed"),
            "narrowed": lambda self, queryset, name, value: method(queryset),
        },
    )


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (lambda found: found.order_by("-pk")[:2], ["Bob", "Cid"]),
        (lambda found: found.filter(books__price__gt=0), ["Ann", "Cid"]),
        (lambda found: found.filter(name="Ann").union(found.filter(name="Cid")), ["Ann", "Cid"]),
        (lambda found: found.filter(books__price__gt=0).distinct(), ["Ann", "Cid"]),
    ],
)
def test_rows_are_those_of_a_filters_method(person, method, expected):
    made = exporter(["name", *TOTALS[1:3]], filterset=filters_by(method))

    assert names(rows_of(made, person, filters={"narrow": "x"})) == expected


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("given", [None, [], 7])
def test_method_of_a_filter_that_returns_no_queryset_is_refused(person, given):
    made = exporter(["name"], filterset=filters_by(lambda found: given))

    with pytest.raises(InvalidQueryset, match="Filters"):
        query.rows(made, person, {"filters": {"narrow": "x"}})


def test_slice_before_another_filter_is_refused(person):
    kind = filters_by(lambda found: found[:2])
    kind.base_filters["name"] = django_filters.CharFilter("name")
    made = exporter(["name"], filterset=kind)

    with pytest.raises(InvalidQueryset, match=r"Filters.*slice"):
        query.rows(made, person, {"filters": {"narrow": "x", "name": "Ann"}})


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # The best of its group, the last two, those of a union: "Ann" is none of them.
        (
            lambda: Author.everyone.annotate(
                place=Window(RowNumber(), partition_by="born", order_by="-name")
            ).filter(place=1),
            ["Bob"],
        ),
        (lambda: Author.everyone.order_by("-name")[:2], ["Bob"]),
        (lambda: Author.everyone.filter(name="Bob").union(Author.everyone.none()), ["Bob"]),
        (Author.everyone.all, ["Ann", "Bob"]),
    ],
)
def test_filter_only_narrows_what_get_queryset_has_chosen(person, rows, expected):
    kind = filters_by(lambda found: found.exclude(name="Cid"))
    made = exporter(["name"], get_queryset=rows, filterset=kind)

    assert names(rows_of(made, person, filters={"narrow": "x"})) == expected


@pytest.mark.usefixtures("library")
def test_filter_may_name_an_annotation_of_the_exporter_beside_a_slice(person):
    declared = Author.everyone.annotate(written=Count("books"))
    made = exporter(
        ["name"],
        declared,
        get_queryset=lambda: declared.order_by("name")[:2],
        filterset=filters_by(lambda found: found.filter(written__gte=1)),
    )

    assert names(rows_of(made, person, filters={"narrow": "x"})) == ["Ann"]


@pytest.mark.usefixtures("library")
def test_filter_by_an_annotation_that_a_slice_loses_is_refused(person):
    made = exporter(
        ["name"],
        get_queryset=lambda: Author.everyone.annotate(written=Count("books"))[:2],
        filterset=filters_by(lambda found: found.filter(written__gte=1)),
    )

    with pytest.raises(InvalidQueryset, match=r"Filters cannot be applied: .*'written'"):
        query.rows(made, person, {"filters": {"narrow": "x"}})


@pytest.mark.usefixtures("library")
def test_annotation_of_a_filterset_is_a_column(person):
    class Filters(django_filters.FilterSet):
        @property
        def qs(self):
            return super().qs.annotate(number=Count("books") + 10)

    declared = Author.everyone.annotate(number=F("pk"))
    made = exporter(
        ["name", "number"], declared, get_queryset=Author.everyone.all, filterset=Filters
    )

    assert rows_of(made, person) == [["Ann", "12"], ["Bob", "10"], ["Cid", "11"]]
