"""A FilterSet narrows each export of its exporter, with the user and the request."""

from __future__ import annotations

import django_filters
import pytest
from django.contrib.auth.models import User

from demo.models import Airline
from exports.exceptions import InvalidFilter, InvalidQueryset
from exports.models import Export
from exports.spec import queryset
from exports.spec.spec import build_spec
from tests.support.spec_requests import flights_by, keys
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


class Scoping(django_filters.FilterSet):
    carrier = django_filters.ModelChoiceFilter(
        queryset=lambda request: Airline.objects.filter(carrier=request.user.first_name)
    )

    @property
    def qs(self):
        return super().qs.filter(pk__lte=int(self.request.user.last_name))


@pytest.mark.usefixtures("flights")
def test_filterset_scopes_rows_without_a_filter(superuser):
    User.objects.update(last_name="7", first_name="UA")
    superuser.refresh_from_db()

    with flights_by(Scoping):
        export = start_export(user=superuser, exporter="narrowed")
        assert keys(queryset.rows_and_columns(export)[0]) == list(range(1, 8))
        narrowed = start_export(user=superuser, exporter="narrowed", filters={"carrier": "UA"})
        assert keys(queryset.rows_and_columns(narrowed)[0]) == list(range(1, 8))
        with pytest.raises(InvalidFilter):
            build_spec(superuser, exporter="narrowed", filters={"carrier": "B6"})


@pytest.mark.usefixtures("flights")
def test_request_dependent_choices_are_offered_on_page_and_api(superuser, client):
    User.objects.update(last_name="7", first_name="UA")
    client.force_login(superuser)

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


def test_broken_filterset_hides_no_other_exporter(superuser, client):
    client.force_login(superuser)

    with flights_by(Broken):
        listed = client.get("/api/v1/exporters")

    assert {"flights", "narrowed"} <= {each["name"] for each in listed.json()}


@pytest.mark.usefixtures("flights")
def test_missing_required_filter_is_refused_at_its_field(superuser):
    class Required(django_filters.FilterSet):
        flight = django_filters.NumberFilter("flight", required=True)

    with flights_by(Required):
        with pytest.raises(InvalidFilter) as refused:
            build_spec(superuser, exporter="narrowed")
        asked = build_spec(superuser, exporter="narrowed", filters={"flight": 3})

    assert set(refused.value.problems) == {"flight"}
    assert asked.params["filters"] == {"flight": 3}


@pytest.mark.usefixtures("flights")
def test_default_of_a_filterset_applies_without_a_filter(superuser):
    class Defaulting(django_filters.FilterSet):
        flight = django_filters.NumberFilter("flight")

        def __init__(self, data=None, *args, **kwargs):
            data = data.copy()
            data.setdefault("flight", "4")
            super().__init__(data, *args, **kwargs)

    with flights_by(Defaulting):
        export = start_export(user=superuser, exporter="narrowed")
        assert keys(queryset.rows_and_columns(export)[0]) == [4]


@pytest.mark.usefixtures("flights")
def test_invalid_scope_is_a_problem_of_the_api(superuser, client):
    client.force_login(superuser)

    with flights_by(None, get_queryset=lambda self, user: None):
        started = client.post(
            "/api/v1/exports", {"exporter": "narrowed"}, content_type="application/json"
        )
        page = client.post("/exports/new/narrowed/", {"format": "csv"})
        with pytest.raises(InvalidQueryset):
            build_spec(superuser, exporter="narrowed")

    assert started.status_code == 422
    assert "Narrowed.get_queryset() returns NoneType" in started.json()["detail"]
    assert page.status_code == 422


@pytest.mark.usefixtures("flights")
def test_page_reports_a_required_filter_only_after_submission(superuser, client):
    class Required(django_filters.FilterSet):
        flight = django_filters.NumberFilter("flight", required=True)

    client.force_login(superuser)
    complaint = "This field is required."
    with flights_by(Required):
        fresh = client.get("/exports/new/narrowed/")
        sent = client.post("/exports/new/narrowed/", {"format": "csv"})
        started = client.post("/exports/", {"exporter": "narrowed", "format": "csv"})

    assert complaint not in fresh.content.decode()
    assert (sent.status_code, started.status_code) == (422, 422)
    assert complaint in sent.content.decode()
    assert not Export.objects.exists()


@pytest.mark.usefixtures("flights")
def test_export_page_survives_a_broken_filterset(superuser, client):
    class Working(django_filters.FilterSet):
        flight = django_filters.NumberFilter("flight")

    client.force_login(superuser)
    with flights_by(Working):
        export = start_export(user=superuser, exporter="narrowed", filters={"flight": 3})
    with flights_by(Broken):
        page = client.get(f"/exports/{export.pk}/")

    assert page.status_code == 200
    assert "flight=3" in page.content.decode()


@pytest.mark.usefixtures("flights")
def test_filter_method_has_the_user(superuser):
    class ByMethod(django_filters.FilterSet):
        own = django_filters.BooleanFilter(method="narrow")

        def narrow(self, queryset, name, value):
            return queryset.filter(pk__lte=len(self.request.user.username))

    with flights_by(ByMethod):
        export = start_export(user=superuser, exporter="narrowed", filters={"own": True})
        assert keys(queryset.rows_and_columns(export)[0]) == list(range(1, len("person") + 1))
