"""A worker asks the question of the request: same tenant, time zone and language, or none."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import django_filters
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models.functions import TruncDate
from django.test import RequestFactory
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy

from demo.admin import FlightAdmin
from demo.models import Airline, Flight
from exports import context, lifecycle, query, question
from exports.exceptions import InvalidFilter, InvalidQueryset, NotKept
from exports.exporter import Column, Exporter
from exports.models import Export
from tests.exporting import WORKER, content, make_flights, registered, run

pytestmark = pytest.mark.django_db(transaction=True)

LIST = {"model": "demo.flight", "query": ""}
KEEPER = f"{__name__}.Tenants"


class Tenants:
    """What a project with tenants keeps of a request."""

    def save(self, request):
        return {"tenant": request.tenant}

    def restore(self, request, saved):
        request.tenant = saved["tenant"]


@pytest.fixture
def person():
    return User.objects.create_superuser("person", password="person")


@pytest.fixture
def flights():
    return make_flights(range(1, 31))


class ByTenant(FlightAdmin):
    """Shows the flights of the tenant; those of the first one where there is none."""

    def get_queryset(self, request):
        return super().get_queryset(request).filter(pk__lte=getattr(request, "tenant", 1) * 10)


@pytest.fixture
def by_tenant(monkeypatch):
    monkeypatch.setitem(admin.site._registry, Flight, ByTenant(Flight, admin.site))


def request_of(person, **attributes):
    request = RequestFactory().get("/")
    request.user = person
    for name, value in attributes.items():
        setattr(request, name, value)
    return request


def keys(found):
    return sorted(found.values_list("pk", flat=True))


# -- What the request had ------------------------------------------------------------------


@pytest.mark.usefixtures("flights", "by_tenant")
def test_list_that_needs_more_of_the_request_is_refused(person):
    with pytest.raises(NotKept, match=r"request\.tenant.*EXPORTS_REQUEST_CONTEXT"):
        question.checked(person, exporter="flights", changelist=LIST)


@pytest.mark.usefixtures("flights", "by_tenant")
def test_list_has_the_rows_of_the_tenant_that_was_kept(person, settings):
    settings.EXPORTS_REQUEST_CONTEXT = KEEPER
    kept = context.kept(request_of(person, tenant=2))

    export = lifecycle.request(user=person, exporter="flights", changelist=LIST, context=kept)
    run(lifecycle.claim(export.pk, worker=WORKER))

    assert keys(query.of(Export.objects.get())[0]) == list(range(1, 21))
    assert Export.objects.get().rows_done == 20


@pytest.mark.usefixtures("flights", "by_tenant")
def test_same_list_of_two_tenants_is_two_exports(person, settings):
    settings.EXPORTS_REQUEST_CONTEXT = KEEPER

    exports = [
        lifecycle.request(
            user=person,
            exporter="flights",
            changelist=LIST,
            context=context.kept(request_of(person, tenant=tenant)),
        )
        for tenant in (1, 2)
    ]

    assert exports[0] != exports[1]


@pytest.mark.parametrize(
    "touch",
    [
        lambda request: request.tenant,
        lambda request: getattr(request, "tenant", None),
        lambda request: hasattr(request, "session"),
        lambda request: request.path,
        lambda request: request.META.get("HTTP_HOST"),
        lambda request: request.COOKIES,
        lambda request: request.headers,
        lambda request: request.resolver_match,
        lambda request: request.get_host(),
        lambda request: request.build_absolute_uri(),
        lambda request: request.get_full_path(),
        lambda request: request.is_secure(),
        lambda request: request.scheme,
        lambda request: request.body,
    ],
)
def test_what_is_not_kept_is_refused_however_it_is_read(touch):
    request = context.restored(User(username="person"), {})

    with pytest.raises(NotKept):
        touch(request)


def test_restored_request_has_what_is_kept():
    user = User(username="person")

    request = context.restored(user, {"language": "de"}, "q=x")

    assert (request.user, request.method, request.GET["q"]) == (user, "GET", "x")
    assert request.LANGUAGE_CODE == "de"
    assert not hasattr(request, "_messages")


@pytest.mark.usefixtures("flights", "by_tenant")
def test_admin_page_refuses_in_words(person, client):
    client.force_login(person)

    posted = client.post("/admin/demo/flight/export/", {"format": "csv"})

    assert posted.status_code == 422
    assert "request.tenant" in posted.content.decode()
    assert not Export.objects.exists()


# -- FilterSets ----------------------------------------------------------------------------


class Scoping(django_filters.FilterSet):
    carrier = django_filters.ModelChoiceFilter(
        queryset=lambda request: Airline.objects.filter(carrier=request.user.first_name)
    )

    @property
    def qs(self):
        return super().qs.filter(pk__lte=int(self.request.user.last_name))


def flights_by(filterset, **attributes):
    members = {
        "name": "narrowed",
        "queryset": Flight.objects.all(),
        "columns": ["id"],
        "permission": "demo.export_flight",
        "filterset": filterset,
    }
    return registered(type("Narrowed", (Exporter,), {**members, **attributes}))


@pytest.mark.usefixtures("flights")
def test_filterset_scopes_rows_when_no_filter_is_given(person):
    User.objects.update(last_name="7", first_name="UA")
    person.refresh_from_db()

    with flights_by(Scoping):
        export = lifecycle.request(user=person, exporter="narrowed")
        assert keys(query.of(export)[0]) == list(range(1, 8))
        narrowed = lifecycle.request(user=person, exporter="narrowed", filters={"carrier": "UA"})
        assert keys(query.of(narrowed)[0]) == list(range(1, 8))
        with pytest.raises(InvalidFilter):
            question.checked(person, exporter="narrowed", filters={"carrier": "B6"})


@pytest.mark.usefixtures("flights")
def test_choices_that_need_the_request_are_offered_on_page_and_api(person, client):
    User.objects.update(last_name="7", first_name="UA")
    client.force_login(person)

    with flights_by(Scoping):
        page = client.get("/exports/new/narrowed/")
        listed = client.get("/api/v1/exporters")
        started = client.post(
            "/api/v1/exports", {"exporter": "narrowed"}, content_type="application/json"
        )

    assert "United Air Lines Inc." in page.content.decode()
    assert (
        "carrier" in next(each for each in listed.json() if each["name"] == "narrowed")["filters"]
    )
    assert started.status_code == 202


class Broken(django_filters.FilterSet):
    def __init__(self, *args, **kwargs):
        raise RuntimeError("broken on purpose")


def test_filterset_that_cannot_be_made_hides_no_other_exporter(person, client):
    client.force_login(person)

    with flights_by(Broken):
        listed = client.get("/api/v1/exporters")

    assert {"flights", "narrowed"} <= {each["name"] for each in listed.json()}


@pytest.mark.usefixtures("flights")
def test_required_filter_that_is_missing_is_refused_at_its_field(person):
    class Required(django_filters.FilterSet):
        flight = django_filters.NumberFilter("flight", required=True)

    with flights_by(Required):
        with pytest.raises(InvalidFilter) as refused:
            question.checked(person, exporter="narrowed")
        asked = question.checked(person, exporter="narrowed", filters={"flight": 3})

    assert set(refused.value.problems) == {"flight"}
    assert asked.params["filters"] == {"flight": 3}


@pytest.mark.usefixtures("flights")
def test_default_of_a_filterset_holds_when_no_filter_is_given(person):
    class Defaulting(django_filters.FilterSet):
        flight = django_filters.NumberFilter("flight")

        def __init__(self, data=None, *args, **kwargs):
            data = data.copy()
            data.setdefault("flight", "4")
            super().__init__(data, *args, **kwargs)

    with flights_by(Defaulting):
        export = lifecycle.request(user=person, exporter="narrowed")
        assert keys(query.of(export)[0]) == [4]


@pytest.mark.usefixtures("flights")
def test_scope_that_is_no_queryset_is_a_problem_of_the_api(person, client):
    client.force_login(person)

    with flights_by(None, get_queryset=lambda self, user: None):
        started = client.post(
            "/api/v1/exports", {"exporter": "narrowed"}, content_type="application/json"
        )
        page = client.post("/exports/new/narrowed/", {"format": "csv"})
        with pytest.raises(InvalidQueryset):
            question.checked(person, exporter="narrowed")

    assert started.status_code == 422
    assert "Narrowed.get_queryset() returns NoneType" in started.json()["detail"]
    assert page.status_code == 422


# -- Time zone and language -------------------------------------------------------------------


@pytest.fixture
def late_flights():
    """One flight on each side of midnight in Tokyo, which is three in the afternoon in UTC."""
    late = make_flights([1, 2])
    for flight, hour in zip(late, (14, 16), strict=True):
        moment = datetime.datetime(2013, 1, 1, hour, tzinfo=datetime.UTC)
        Flight.objects.filter(pk=flight.pk).update(time_hour=moment)


class ByDay(django_filters.FilterSet):
    day = django_filters.DateFilter("time_hour__date")


@pytest.mark.usefixtures("late_flights")
def test_worker_reads_days_in_the_time_zone_of_the_request(person):
    columns = ["id", Column("day", TruncDate("time_hour"))]
    with flights_by(ByDay, columns=columns):
        with timezone.override(ZoneInfo("Asia/Tokyo")):
            kept = context.kept(request_of(person))
            shown = question.checked(
                person, exporter="narrowed", filters={"day": "2013-01-02"}, context=kept
            )
            export = lifecycle.request(
                user=person, exporter="narrowed", filters={"day": "2013-01-02"}, context=kept
            )
        run(lifecycle.claim(export.pk, worker=WORKER))

    assert shown.context["time_zone"] == "Asia/Tokyo"
    assert content(Export.objects.get()) == b"id,day\n2,2013-01-02\n"


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(("language", "expected"), [("de", b"Ja"), ("en", b"Yes")])
def test_translated_header_is_in_the_language_of_the_request(person, language, expected):
    columns = [Column("id", header=gettext_lazy("Yes"))]
    with flights_by(None, columns=columns):
        for file_format in ("csv", "jsonl", "xlsx", "parquet"):
            with translation.override(language):
                export = lifecycle.request(
                    user=person,
                    exporter="narrowed",
                    format=file_format,
                    context=context.kept(request_of(person)),
                )
            run(lifecycle.claim(export.pk, worker=WORKER))
            export.refresh_from_db()
            assert (export.status, export.error) == ("succeeded", "")
            if file_format == "csv":
                assert content(export).splitlines()[0] == expected
