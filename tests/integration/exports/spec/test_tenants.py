"""Each way to start an export gives the rows of the request's tenant, and nobody else's."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import clear_url_caches

from demo.models import Flight
from exports.exceptions import MissingContext
from exports.lifecycle import attempts
from exports.models import Export, Preset
from exports.spec import presets, queryset
from tests.support.exporting import WORKER, content, make_flights, registered, run
from tests.support.starting import start_export
from tests.tenancy.requests import TENANT, keys_of
from tests.tenancy.scopes import TenantFlightAdmin, TenantFlights

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "tenant_flights"
# The first tenant's rows are what a default gives: the other one's have to be asked for.
TENANTS = pytest.mark.parametrize("tenant", [2, 3])


@pytest.fixture
def project(settings, monkeypatch):
    """The demo as a project with tenants, which have their flights."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.tenancy.requests.tenancy"]
    settings.EXPORTS_REQUEST_CONTEXT = "tests.tenancy.requests.Tenants"
    monkeypatch.setitem(admin.site._registry, Flight, TenantFlightAdmin(Flight, admin.site))
    clear_url_caches()
    make_flights(range(1, 41))
    with registered(TenantFlights):
        yield


@pytest.fixture
def visit(project, client, superuser):
    """Send something as somebody of a tenant: `visit("get", 2, "/exports/")`."""
    client.force_login(superuser)

    def visit(method, tenant, path, *args, **kwargs):
        return getattr(client, method)(path, *args, headers={TENANT: str(tenant)}, **kwargs)

    return visit


def written(export=None):
    """The keys in the file of `export`, or of the only one there is."""
    export = export or Export.objects.get()
    run(attempts.claim(export.pk, worker=WORKER))
    export.refresh_from_db()
    assert (export.status, export.error) == ("succeeded", "")
    header, *lines = content(export).decode().split()
    assert header == "id"
    return [int(each) for each in lines]


@TENANTS
def test_api_exports_rows_of_the_tenant(visit, tenant):
    body = {"exporter": NAME}
    started = visit("post", tenant, "/api/v1/exports", body, content_type="application/json")

    assert started.status_code == 202
    assert written() == keys_of(tenant)


@TENANTS
def test_dashboard_exports_rows_of_the_tenant(visit, tenant):
    visit("post", tenant, "/exports/", {"exporter": NAME, "format": "csv"})

    assert written() == keys_of(tenant)


@TENANTS
def test_export_has_the_rows_of_its_preview(visit, tenant):
    path = f"/exports/new/{NAME}/"
    looked = visit("post", tenant, path, {"format": "csv", "preview": ""}).content.decode()
    visit("post", tenant, path, {"format": "csv"})

    shown = [int(each) for each in re.findall(r"<td><bdi>(\d+)</bdi>", looked)]
    assert shown == written() == keys_of(tenant)


@TENANTS
def test_admin_list_exports_rows_of_the_tenant(visit, tenant):
    chosen = {"format": "csv", "column": "id", "header-id": "id"}
    visit("post", tenant, "/admin/demo/flight/export/", chosen)

    assert written() == keys_of(tenant)


def test_saved_preset_takes_the_tenant_of_the_running_request(visit):
    path = f"/exports/new/{NAME}/"
    visit("post", 2, path, {"format": "csv", "save": "", "preset": "Mine"})
    preset = Preset.objects.exclude(name=presets.LAST).get()

    visit("post", 3, f"/exports/presets/{preset.pk}/run")

    assert written() == keys_of(3)


def test_repetition_by_another_user_keeps_the_owners_tenant(visit, client):
    visit("post", 2, "/exports/", {"exporter": NAME, "format": "csv"})
    first = Export.objects.get()
    written(first)
    client.force_login(User.objects.create_superuser("another"))

    visit("post", 3, f"/api/v1/exports/{first.pk}/again")

    again = Export.objects.exclude(pk=first.pk).get()
    assert again.context == first.context
    assert written(again) == keys_of(2)


def test_same_choice_of_two_tenants_is_two_exports(visit):
    for tenant in (2, 3, 2):
        visit("post", tenant, "/exports/", {"exporter": NAME, "format": "csv"})

    assert [each.context["project"] for each in Export.objects.order_by("created_at")] == [
        {"tenant": 2},
        {"tenant": 3},
    ]


def test_worker_without_the_context_hook_fails_the_export(visit, settings):
    visit("post", 2, "/exports/", {"exporter": NAME, "format": "csv"})
    settings.EXPORTS_REQUEST_CONTEXT = ""

    run(attempts.claim(Export.objects.get().pk, worker=WORKER))

    export = Export.objects.get()
    assert export.status == "failed"
    assert "request.tenant" in export.error


def test_start_without_a_request_is_refused(project, superuser):
    with pytest.raises(
        MissingContext, match=r"request\.tenant, and this export was started without"
    ):
        start_export(user=superuser, exporter=NAME)


@pytest.mark.usefixtures("project")
def test_start_without_a_request_can_pass_the_tenant(superuser):
    said = {"project": {"tenant": 2}}

    assert written(start_export(user=superuser, exporter=NAME, context=said)) == keys_of(2)


@pytest.mark.usefixtures("project")
def test_command_without_a_tenant_exits_with_status_2(superuser):
    with pytest.raises(CommandError, match=r"request\.tenant") as refused:
        call_command("export", NAME, user=superuser.username)

    assert refused.value.returncode == 2


@pytest.mark.parametrize("path", [f"/exports/new/{NAME}/", "/exports/"])
def test_pages_refuse_request_data_that_is_not_kept(visit, settings, path):
    settings.EXPORTS_REQUEST_CONTEXT = ""

    refused = visit("post", 2, path, {"exporter": NAME, "format": "csv"})

    assert refused.status_code == 422
    assert "request.tenant" in refused.content.decode()
    assert not Export.objects.exists()


def test_api_refuses_request_data_that_is_not_kept(visit, settings):
    settings.EXPORTS_REQUEST_CONTEXT = ""

    refused = visit(
        "post", 2, "/api/v1/exports", {"exporter": NAME}, content_type="application/json"
    )

    assert refused.status_code == 422
    assert refused["Content-Type"] == "application/problem+json"
    assert "request.tenant" in refused.json()["detail"]
    assert "EXPORTS_REQUEST_CONTEXT" in refused.json()["detail"]


def test_export_page_survives_a_removed_context_hook(visit, settings):
    visit("post", 2, f"/exports/new/{NAME}/", {"format": "csv", "filter-number": "11"})
    export = Export.objects.get()
    settings.EXPORTS_REQUEST_CONTEXT = ""

    page = visit("get", 2, f"/exports/{export.pk}/")

    assert page.status_code == 200


def test_stored_context_is_used_for_every_reader(visit):
    visit("post", 2, "/exports/", {"exporter": NAME, "format": "csv"})

    found, _ = queryset.rows_and_columns(Export.objects.get())

    assert sorted(found.values_list("pk", flat=True)) == keys_of(2)
