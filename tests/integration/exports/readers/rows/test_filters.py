"""Filters choose the rows that the ORM gives, or the request is refused in words."""

from __future__ import annotations

import django_filters
import pytest
from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from exports.exceptions import InvalidQueryset
from exports.spec import queryset
from tests.support.library import TOTALS, exporter, names, rows_of
from tests.support.library_models import Author

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.proves("file-matches-queryset")]


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
def test_filter_method_gives_exactly_its_rows(superuser, method, expected):
    made = exporter(["name", *TOTALS[1:3]], filterset=filters_by(method))

    assert names(rows_of(made, superuser, filters={"narrow": "x"})) == expected


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("given", [None, [], 7])
def test_filter_method_without_a_queryset_is_refused(superuser, given):
    made = exporter(["name"], filterset=filters_by(lambda found: given))

    with pytest.raises(InvalidQueryset, match="Filters"):
        queryset.rows(made, superuser, {"filters": {"narrow": "x"}})


def test_slice_before_another_filter_is_refused(superuser):
    kind = filters_by(lambda found: found[:2])
    kind.base_filters["name"] = django_filters.CharFilter("name")
    made = exporter(["name"], filterset=kind)

    with pytest.raises(InvalidQueryset, match=r"Filters.*slice"):
        queryset.rows(made, superuser, {"filters": {"narrow": "x", "name": "Ann"}})


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
def test_filter_only_narrows_the_rows_of_get_queryset(superuser, rows, expected):
    kind = filters_by(lambda found: found.exclude(name="Cid"))
    made = exporter(["name"], get_queryset=rows, filterset=kind)

    assert names(rows_of(made, superuser, filters={"narrow": "x"})) == expected


@pytest.mark.usefixtures("library")
def test_filter_may_use_an_annotation_of_a_sliced_exporter(superuser):
    declared = Author.everyone.annotate(written=Count("books"))
    made = exporter(
        ["name"],
        declared,
        get_queryset=lambda: declared.order_by("name")[:2],
        filterset=filters_by(lambda found: found.filter(written__gte=1)),
    )

    assert names(rows_of(made, superuser, filters={"narrow": "x"})) == ["Ann"]


@pytest.mark.usefixtures("library")
def test_filter_by_an_annotation_that_a_slice_loses_is_refused(superuser):
    made = exporter(
        ["name"],
        get_queryset=lambda: Author.everyone.annotate(written=Count("books"))[:2],
        filterset=filters_by(lambda found: found.filter(written__gte=1)),
    )

    with pytest.raises(InvalidQueryset, match=r"Filters cannot be applied: .*'written'"):
        queryset.rows(made, superuser, {"filters": {"narrow": "x"}})


@pytest.mark.usefixtures("library")
def test_annotation_of_a_filterset_is_a_column(superuser):
    class Filters(django_filters.FilterSet):
        @property
        def qs(self):
            return super().qs.annotate(number=Count("books") + 10)

    declared = Author.everyone.annotate(number=F("pk"))
    made = exporter(
        ["name", "number"], declared, get_queryset=Author.everyone.all, filterset=Filters
    )

    assert rows_of(made, superuser) == [["Ann", "12"], ["Bob", "10"], ["Cid", "11"]]
