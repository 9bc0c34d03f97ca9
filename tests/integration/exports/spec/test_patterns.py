"""A regular expression that somebody sends stops no process, and a broken one is refused in words.

The same holds for other values in the address of an admin list that no database can compare.
"""

from __future__ import annotations

import re
import subprocess
import sys

import django_filters
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Abs

from demo.models import Flight
from exports.exceptions import InvalidFilter, InvalidSelection
from exports.spec import patterns
from exports.spec.spec import build_spec
from tests.support.exporting import make_flights, request
from tests.support.spec_requests import flights_by

pytestmark = pytest.mark.django_db(transaction=True)

IS_SQLITE = connection.vendor == "sqlite"
# Against a text of thirty letters `re` takes minutes for it, and longer for each letter more.
ENDLESS = "^(N+)+$"
BROKEN = "("


@pytest.fixture
def superuser():
    make_flights(range(1, 6))
    Flight.objects.filter(pk=1).update(tailnum="NNNNNN")
    return User.objects.create_superuser("person")


class Matching(django_filters.FilterSet):
    number = django_filters.CharFilter("tailnum", lookup_expr="regex")
    any_case = django_filters.CharFilter("tailnum", lookup_expr="iregex")
    choice = django_filters.LookupChoiceFilter("tailnum", lookup_choices=["exact", "regex"])
    method = django_filters.CharFilter(method="narrow")
    year = django_filters.NumberFilter("date__year")
    without = django_filters.CharFilter("carrier__flights__tailnum", "regex", exclude=True)
    usual = django_filters.BooleanFilter(method="narrow_as_usual")

    def narrow(self, queryset, _name, value):
        return queryset.filter(pk__in=Flight.objects.filter(tailnum__regex=f"^{value}$"))

    def narrow_as_usual(self, queryset, _name, _value):
        return queryset.filter(tailnum__regex=r"^(N|n)\d+$")


NAMES = ["number", "any_case", "method", "without", "choice"]


def filters_with(name, pattern):
    return {"choice": pattern, "choice_lookup": "regex"} if name == "choice" else {name: pattern}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "pattern", [BROKEN, " ( ", "[z-a]", "(" * 499 + ")" * 499 + "[", "x" * 1_001]
)
def test_broken_pattern_of_a_filter_is_refused_with_a_reason(superuser, name, pattern):
    with flights_by(Matching), pytest.raises(InvalidFilter) as refused:
        build_spec(superuser, exporter="narrowed", filters=filters_with(name, pattern))

    assert set(refused.value.problems) == {name}
    assert "regular expression" in str(refused.value)


@pytest.mark.proves("regex-blocks-no-process")
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pattern", [ENDLESS, "(a|a)(a|a)", "a{9}", "a?", "a*", "a+"])
def test_repeating_pattern_is_refused_on_sqlite(superuser, name, pattern):
    with flights_by(Matching), pytest.raises(InvalidFilter, match="on SQLite"):
        build_spec(superuser, exporter="narrowed", filters=filters_with(name, pattern))


@pytest.mark.parametrize("name", NAMES)
def test_plain_pattern_matches(superuser, name):
    with flights_by(Matching):
        asked = build_spec(superuser, exporter="narrowed", filters=filters_with(name, "N[0-9]"))

    assert asked.params["filters"]


@pytest.mark.only_on("postgres")
@pytest.mark.parametrize("name", NAMES)
def test_repeating_pattern_is_accepted_on_postgresql(superuser, name):
    with flights_by(Matching):
        asked = build_spec(superuser, exporter="narrowed", filters=filters_with(name, ENDLESS))

    assert asked.params["filters"]


def test_longest_allowed_pattern_is_accepted(superuser):
    with flights_by(Matching):
        asked = build_spec(superuser, exporter="narrowed", filters={"number": "N" * 1_000})

    assert asked.params["filters"]


@pytest.mark.parametrize(
    "letter", [{}, {"number": "N"}], ids=["alone", "beside one of its letters"]
)
def test_pattern_of_the_project_is_accepted(superuser, letter):
    filters = {"usual": "true", **letter}
    with flights_by(Matching):
        asked = build_spec(superuser, exporter="narrowed", filters=filters)

    assert asked.params["filters"] == filters


def test_pattern_in_the_api_is_a_problem(superuser, client):
    client.force_login(superuser)
    with flights_by(Matching):
        answer = client.post(
            "/api/v1/exports",
            {"exporter": "narrowed", "filters": {"number": BROKEN}},
            content_type="application/json",
        )

    assert (answer.status_code, answer.json()["field"]) == (422, "filters")


def matching(pattern):
    return When(tailnum__regex=pattern, then=1)


def nearest(match):
    """The flight of the most similar distance, of those that match if there are any."""
    distance = Abs(F("distance") - OuterRef("distance"))
    return Flight.objects.order_by(distance, Case(match, default=0)).values("pk")[:1]


@pytest.mark.parametrize(
    "find",
    [
        lambda found, pattern: found.filter(tailnum__regex=pattern),
        lambda found, pattern: found.filter(tailnum__iregex=Value(pattern)),
        lambda found, pattern: found.exclude(Q(pk=1) | Q(carrier__flights__tailnum__regex=pattern)),
        lambda found, pattern: found.filter(Exists(Flight.objects.filter(tailnum__regex=pattern))),
        lambda found, pattern: found.annotate(rank=Case(matching(pattern), default=0)),
        lambda found, pattern: found.annotate(n=Count("pk", filter=Q(tailnum__regex=pattern))),
        lambda found, pattern: found.order_by(Case(matching(pattern), default=0)),
        lambda found, pattern: found.order_by("pk", Case(matching(pattern), default=0).desc()),
        lambda found, pattern: found.order_by(Case(When(carrier__name__regex=pattern, then=1))),
        lambda found, pattern: found.annotate(near=Subquery(nearest(matching(pattern)))),
        lambda found, pattern: found.union(Flight.objects.filter(tailnum__regex=pattern)),
    ],
)
def test_pattern_is_found_anywhere_in_a_query(superuser, find):
    query = find(Flight.objects.all(), BROKEN).query
    tables = [*query.alias_map]

    problem = patterns.problem_among(query, [BROKEN], "default")

    assert [*query.alias_map] == tables
    assert "not a valid regular expression" in str(problem)


# -- Lists of the admin -----------------------------------------------------------------------


UNREADABLE = [
    "tailnum__regex=(",
    "tailnum__iregex=[z-a]",
    "date__year=99999999999",
    "id__range=1",
    "date__year__gte=-1",
    "time_hour__year=0",
    "time_hour__year=99999",
    *(["flight__in=99999999999999999999999"] if IS_SQLITE else []),
    *(["tailnum__regex=^(N%2B)%2B$"] if IS_SQLITE else []),
    *(["time_hour__gte=0001-01-01T00:00%2B14:00"] if IS_SQLITE else []),
]


@pytest.mark.parametrize("query", UNREADABLE)
def test_unreadable_list_leads_to_the_whole_list(superuser, client, query):
    client.force_login(superuser)

    answer = client.get(f"/admin/demo/flight/?{query}", follow=True)
    export = client.get(f"/admin/demo/flight/export/?{query}")
    look = client.post(f"/admin/demo/flight/export/preview/?{query}", {"format": "csv"})
    start = client.post(f"/admin/demo/flight/export/?{query}", {"format": "csv"})

    assert answer.redirect_chain == [("/admin/demo/flight/?e=1", 302)]
    assert "The filters of this list are not valid" in answer.content.decode()
    assert export.status_code in {200, 422}
    assert (look.status_code, start.status_code) == (200, 422)
    assert re.search("are not valid|cannot be selected", look.content.decode())


def test_search_for_too_many_words_is_refused_before_the_query(superuser, client):
    client.force_login(superuser)
    words = "+".join(["x"] * (patterns.MAX_WORDS + 1))
    listed = {"model": "demo.flight", "query": f"q={words}"}
    term = f"term={words}&app_label=demo&model_name=flight&field_name=carrier"

    answer = client.get(f"/admin/demo/flight/?q={words}")
    few = client.get(f"/admin/demo/flight/?q={words[2:]}")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/demo/flight/?e=1")
    assert few.status_code == 200
    assert client.get(f"/admin/autocomplete/?{term}").status_code == 400
    with pytest.raises(InvalidSelection, match="32 words"):
        build_spec(superuser, exporter="flights", changelist=listed)


def test_incomparable_filter_value_is_refused_with_a_reason(superuser):
    with flights_by(Matching), pytest.raises(InvalidFilter, match="year 99999 is out of range"):
        build_spec(superuser, exporter="narrowed", filters={"year": 99999})


@pytest.mark.proves("regex-blocks-no-process")
@pytest.mark.parametrize("path", ["auth/user/?username", "exports/export/?label"])
def test_patterns_in_any_admin_list_are_checked(superuser, client, path):
    client.force_login(superuser)
    request(superuser)

    broken = client.get(f"/admin/{path}__regex=(")
    plain = client.get(f"/admin/{path}__regex=^p")

    assert (broken.status_code, plain.status_code) == (302, 200)


def test_stored_list_with_a_broken_pattern_is_refused(superuser):
    listed = {"model": "demo.flight", "query": "tailnum__regex=("}

    with pytest.raises(InvalidSelection, match="not a valid regular expression"):
        build_spec(superuser, exporter="flights", changelist=listed)


@pytest.mark.only_on("sqlite")
def test_refused_pattern_would_block_a_process():
    """In a process of its own: Python's `re` can be stopped by nothing else."""
    code = f"import re; re.search({ENDLESS!r}, {'N' * 40 + '!'!r})"

    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", code], timeout=1, check=False)
