"""The file has the rows of the queryset: relations that point nowhere, and aggregates."""

from __future__ import annotations

import pytest
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery

from exports.exporters import Column
from exports.spec import queryset
from tests.support.library import READERS, TOTALS, exporter, rows_of
from tests.support.library_models import Author, Book
from tests.support.reading import extracted

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.proves("file-matches-queryset")]


# -- Relations that point nowhere ----------------------------------------------------------------


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
def test_dangling_foreign_key_keeps_its_row(superuser, by, file_format, column):
    made = exporter(["name", column])

    found = rows_of(made, superuser, by, file_format=file_format)

    assert [row[0] for row in found] == ["Ann", "Bob", "Cid"]
    assert found[2][1] in {None, ""}


@pytest.mark.usefixtures("library")
def test_python_column_gets_none_for_a_missing_related_row(superuser):
    made = exporter(["name", Column("told", needs=["country__name"], python=repr)])

    assert rows_of(made, superuser)[2] == ["Cid", "None"]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_sorting_by_a_dangling_relation_keeps_every_row(superuser, by):
    made = exporter(["name", "country__name"])
    found = queryset.rows(made, superuser, {}).order_by("country__name", "-country", "pk")

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
def test_filter_by_a_dangling_key_keeps_its_row(superuser, by, rows):
    made = exporter(["name", "country__name"], get_queryset=rows)

    for part_rows in (1, 1_000):
        assert rows_of(made, superuser, by, part_rows) == [["Cid", ""]]


@pytest.mark.usefixtures("library")
def test_filter_on_a_joined_row_still_narrows(superuser):
    made = exporter(
        ["name", "country__name"],
        get_queryset=lambda: Author.everyone.filter(country__name="Austria"),
    )

    assert rows_of(made, superuser) == [["Ann", "Austria"], ["Bob", "Austria"]]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_subquery_over_a_dangling_key_keeps_its_row(superuser, by):
    named = Author.everyone.filter(country__name=OuterRef("country__name")).order_by("pk")
    made = exporter(
        [
            "name",
            Column("first", Subquery(named.values("name")[:1])),
            Column("has", Exists(Book.objects.filter(title=OuterRef("country__name")))),
        ]
    )

    assert rows_of(made, superuser, by) == [
        ["Ann", "Ann", "false"],
        ["Bob", "Ann", "false"],
        ["Cid", "", "false"],
    ]


# -- Aggregates ----------------------------------------------------------------------------------


EXPECTED = [
    ["Ann", "2", "3", "7", "1", "2", "3", "2000", "2"],
    ["Bob", "0", "0", "0", "0", "", "0", "", "2"],
    ["Cid", "1", "0", "0", "1", "", "3", "2000", "0"],
]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_aggregates_over_several_relations_do_not_multiply(superuser, by):
    found = rows_of(exporter(TOTALS), superuser, by)

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
def test_joins_of_a_queryset_change_no_aggregate_column(superuser, narrowed):
    made = exporter(TOTALS, get_queryset=narrowed)

    for row in rows_of(made, superuser):
        assert row[:-1] in EXPECTED


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("by", READERS)
def test_annotation_and_aggregate_column_can_be_combined(superuser, by):
    counted = Author.everyone.annotate(n=Count("books"))
    made = exporter(["n", Column("awards", Count("awards")), Column("twice", F("n") * 2)], counted)

    assert rows_of(made, superuser, by) == [["2", "3", "4"], ["0", "0", "0"], ["1", "0", "2"]]
