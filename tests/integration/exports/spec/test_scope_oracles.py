"""A user with a scope learns nothing of rows outside of it, whatever they ask.

The same requests are sent to two databases that differ in nothing but hidden rows, in their
number, their values and what they refer to. Every answer has to be the same, to the byte.
"""

from __future__ import annotations

import datetime
import itertools
import json
import random
import re

import django_filters
import pytest
from django import forms
from django.contrib.auth.models import User

from demo.models import Airline, Airport, Flight
from exports.exporters import Column
from exports.models import Export, Preset
from exports.spec import refusals
from notifications.models import Stream
from tests.support.exporting import (
    content,
    force_status,
    make_flights,
    request,
    resume_with,
    use_folders,
)
from tests.support.spec_requests import flights_by

pytestmark = pytest.mark.django_db(transaction=True)

SEEN = range(1, 9)
HIDDEN = {"A": range(101, 104), "B": range(104, 145)}
# What identifies an answer and no row: ids, moments, tokens of forms and nonces.
VOLATILE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\"'< ]*|csrfmiddlewaretoken\" value=\"\w+"
    r"|\?preset=\d+|data-cursors=\"[^\"]*\""
)


class Asking(django_filters.FilterSet):
    """Each kind of filter, over fields, relations, lists of values and orders."""

    origin = django_filters.ModelChoiceFilter(queryset=lambda _: Airport.objects.all())
    carriers = django_filters.ModelMultipleChoiceFilter("carrier", queryset=Airline.objects.all())
    named = django_filters.ModelMultipleChoiceFilter(
        "carrier__name", to_field_name="name", queryset=Airline.objects.all()
    )
    name = django_filters.CharFilter("carrier__name", lookup_expr="icontains")
    number = django_filters.AllValuesFilter("tailnum")
    numbers = django_filters.AllValuesMultipleFilter("tailnum")
    city = django_filters.AllValuesFilter("dest__name")
    dest = django_filters.CharFilter("dest_code")
    delay = django_filters.RangeFilter("dep_delay")
    date = django_filters.DateFromToRangeFilter()
    distance = django_filters.LookupChoiceFilter(
        field_class=forms.DecimalField, lookup_choices=["exact", "gt", "lt"]
    )
    pattern = django_filters.CharFilter("tailnum", lookup_expr="regex")
    landed = django_filters.BooleanFilter("arr_delay", lookup_expr="isnull", exclude=True)
    ids = django_filters.BaseInFilter("id")
    order = django_filters.OrderingFilter(fields=["dep_delay", "tailnum", "carrier__name"])

    class Meta:
        model = Flight
        fields = ["carrier", "plane"]


def by_filter(_self, _user):
    return Flight.objects.filter(carrier="UA")


def by_user(_self, user):
    return Flight.objects.filter(carrier__in=user.groups.values("name"))


def by_slice(_self, _user):
    return Flight.objects.order_by("pk")[: len(SEEN)]


def by_union(_self, _user):
    return Flight.objects.filter(pk__lte=4).union(Flight.objects.filter(pk__in=[5, 6, 7, 8]))


COLUMNS = [
    "id",
    "carrier__name",
    "dest__name",
    "tailnum",
    "dep_delay",
    Column("late", needs=["dep_delay"], python=lambda delay: delay > 5),
]
# Of each filter values that are seen, hidden in one database, in the other, and nowhere.
VALUES = {
    "carrier": ["UA", "B6", "AA", "XX", ""],
    "carriers": [["UA"], ["B6"], ["UA", "AA"], ["XX", "B6"]],
    "plane": ["N1", "N0"],
    "origin": ["EWR", "JFK", "LGA", "XXX"],
    "named": [["United Air Lines Inc."], ["JetBlue Airways"], ["American Airlines"], ["Nobody"]],
    "name": ["united", "jetblue", "american", "zz"],
    "number": ["N1", "HIDE-A", "HIDE-B", "N0"],
    "numbers": [["N1", "N2"], ["HIDE-A"], ["N1", "HIDE-B"], ["N0"]],
    "city": ['George "Bush", Houston', "Logan", "Los Angeles", "Nowhere"],
    "dest": ["IAH", "BOS", "LAX", "ZZZ"],
    "delay_min": ["0", "500", "x"],
    "delay_max": ["1", "-1e9"],
    "date_after": ["2013-01-02", "2013-06-01", "0001-01-01", "never"],
    "distance": ["1400", "9", "9999"],
    "distance_lookup": ["exact", "gt", "lt", "regex"],
    "pattern": ["N", "HIDE", "[A-B]$", "("],
    "landed": ["true", "false", "maybe"],
    "ids": ["1,2", "101,104", "1,101", "9999999999999999999999"],
    "order": ["dep_delay", "-tailnum", "carrier__name,-dep_delay", "secret"],
    "nothing": ["x"],
}


def questions():
    """Filters to ask with: each value alone, and some of them together."""
    single = [{name: value} for name, values in VALUES.items() for value in values]
    chance = random.Random(7)
    pairs = list(itertools.combinations([name for name in VALUES if name != "nothing"], 2))
    mixed = [
        {name: chance.choice(VALUES[name]) for name in pair} for pair in chance.sample(pairs, 30)
    ]
    return [{}, *single, *mixed]


@pytest.fixture
def exporter_user(exporter_user):
    exporter_user.groups.create(name="UA")
    return exporter_user


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = settings.EXPORTS_MAX_ACTIVE = 0
    settings.EXPORTS_PARALLEL = 0
    use_folders(settings, tmp_path)


def hide(which):
    """Replace the hidden rows by those of one of the two databases."""
    Flight.objects.exclude(pk__in=SEEN).delete()
    Airline.objects.exclude(carrier="UA").delete()
    Airport.objects.exclude(faa__in=["EWR", "IAH"]).delete()
    code, name, from_, to, city = {
        "A": ("B6", "JetBlue Airways", "JFK", "BOS", "Logan"),
        "B": ("AA", "American Airlines", "LGA", "LAX", "Los Angeles"),
    }[which]
    Airline.objects.create(carrier=code, name=name)
    Airport.objects.bulk_create(
        Airport(faa=faa, name=called, lat=40, lon=-74, alt=18, tz=-5, dst="A")
        for faa, called in ((from_, "Kennedy"), (to, city))
    )
    make_flights(HIDDEN[which])
    Flight.objects.filter(pk__in=HIDDEN[which]).update(
        carrier=code,
        origin=from_,
        dest=to,
        dest_code=to,
        tailnum=f"HIDE-{which}",
        dep_delay=900 + len(HIDDEN[which]),
        date=datetime.date(2013, 6, len(HIDDEN[which]) % 28 + 1),
        distance=9 if which == "A" else 9_999,
    )


def others_run(exporter_user, which):
    """Somebody else's export of all, whose size says how wide the hidden rows are."""
    other = User.objects.create_superuser(f"other-{which}")
    run = request(other, exporter="narrowed", columns=None)
    force_status(run, "succeeded", rows_done=len(HIDDEN[which]), bytes=10 ** len(HIDDEN[which][:5]))
    moment = datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)
    Export.objects.filter(pk=run.pk).update(started_at=moment, finished_at=moment)


def visible(answer):
    return answer.status_code, VOLATILE.sub("…", answer.content.decode())


def as_fields(filters):
    return {f"filter-{name}": value for name, value in filters.items()}


def answers(client, step):
    """What is answered to each `step`th question, by the question."""
    found = {
        "exporters": visible(client.get("/api/v1/exporters")),
        "page": visible(client.get("/exports/new/narrowed/?fresh")),
    }
    for number, filters in enumerate(questions()[::step]):
        asked = json.dumps(filters)
        form = {"format": "csv", **as_fields(filters)}
        found["look", asked] = visible(client.post("/exports/new/narrowed/preview", form))
        if number % 2:  # An export that is saved takes longer than a look at it.
            continue
        body = {"exporter": "narrowed", "filters": filters}
        found["api", asked] = visible(
            client.post("/api/v1/exports", body, content_type="application/json")
        )
    for number, filters in enumerate(questions()[:: 5 * step]):
        form = {"format": "csv", "preset": f"choice {number}", **as_fields(filters)}
        found["form", number] = visible(
            client.post("/exports/new/narrowed/", {**form, "preview": ""})
        )
        found["save", number] = visible(client.post("/exports/new/narrowed/", {**form, "save": ""}))
    for columns in (["id"], ["late", "tailnum"], ["secret"], []):
        body = {"exporter": "narrowed", "columns": columns}
        found["columns", str(columns)] = visible(
            client.post("/api/v1/exports", body, content_type="application/json")
        )
    return found


def files():
    """What is in the file of each export that was started, or why there is none."""
    made = {}
    for number, export in enumerate(Export.objects.filter(status="queued").order_by("queued_at")):
        if number % 3 == 0:
            done = resume_with(export)
            made[json.dumps(done.params, sort_keys=True)] = (
                done.status,
                done.error,
                done.rows_total,
                done.rows_done,
                content(done) if done.file else b"",
            )
    return made


def parting(first, second):
    """Where two answers begin to differ."""
    one, other = str(first), str(second)
    at = next((n for n, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), 0)
    return one[max(at - 80, 0) : at + 80], other[max(at - 80, 0) : at + 80]


@pytest.mark.proves("scope-hides-rows")
@pytest.mark.parametrize(
    # No step goes with the number of values of a filter, which is often four.
    ("scope", "step"),
    [(by_filter, 3), (by_user, 11), (by_slice, 11), (by_union, 11)],
)
def test_hidden_rows_change_no_response(exporter_user, client, scope, step):
    make_flights(SEEN)
    client.force_login(exporter_user)
    seen = {}

    with flights_by(Asking, get_queryset=scope, columns=COLUMNS):
        for which in HIDDEN:
            refusals.clear()
            Export.objects.all().delete()
            Preset.objects.all().delete()
            Stream.objects.all().delete()  # What the bell counts.
            hide(which)
            others_run(exporter_user, which)
            seen[which] = {**answers(client, step), "files": files()}

    first, second = seen["A"], seen["B"]
    # The questions are no riddles: some are answered, and by rows.
    assert {200, 202, 422} <= {answer[0] for name, answer in first.items() if name != "files"}
    assert any(rows for *_, rows, file in first["files"].values() if file)
    differing = {name for name, answer in first.items() if answer != second[name]}
    assert not differing, [(name, parting(first[name], second[name])) for name in differing][:5]
    assert "HIDE" not in str(first["page"]) + str(first["files"])
