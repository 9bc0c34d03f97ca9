"""A worker asks the question of the request, with what is kept of it and nothing guessed."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured

from demo.admin import FlightAdmin
from demo.models import Flight
from exports.exceptions import MissingContext
from exports.lifecycle import attempts
from exports.models import Export
from exports.spec import context, queryset
from exports.spec.spec import build_spec
from tests.support.exporting import WORKER, run
from tests.support.spec_requests import keys, request_of
from tests.support.starting import start_export

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.proves("file-matches-queryset")]

LIST = {"model": "demo.flight", "query": ""}
KEEPER = f"{__name__}.Tenants"


class Tenants:
    """What a project with tenants keeps of a request."""

    def save(self, request):
        return {"tenant": request.tenant}

    def restore(self, request, saved):
        request.tenant = saved["tenant"]


class ByTenant(FlightAdmin):
    """Shows the flights of the tenant; those of the first one where there is none."""

    def get_queryset(self, request):
        return super().get_queryset(request).filter(pk__lte=getattr(request, "tenant", 1) * 10)


@pytest.fixture
def by_tenant(monkeypatch):
    monkeypatch.setitem(admin.site._registry, Flight, ByTenant(Flight, admin.site))


@pytest.mark.usefixtures("flights", "by_tenant")
def test_list_that_needs_unkept_request_data_is_refused(superuser):
    with pytest.raises(MissingContext, match=r"request\.tenant.*EXPORTS_REQUEST_CONTEXT"):
        build_spec(superuser, exporter="flights", changelist=LIST)


@pytest.mark.usefixtures("flights", "by_tenant")
def test_list_has_the_rows_of_the_kept_tenant(superuser, settings):
    settings.EXPORTS_REQUEST_CONTEXT = KEEPER
    kept = context.capture(request_of(superuser, tenant=2))

    export = start_export(user=superuser, exporter="flights", changelist=LIST, context=kept)
    run(attempts.claim(export.pk, worker=WORKER))

    assert keys(queryset.rows_and_columns(Export.objects.get())[0]) == list(range(1, 21))
    assert Export.objects.get().rows_done == 20


@pytest.mark.usefixtures("flights", "by_tenant")
def test_same_list_of_two_tenants_is_two_exports(superuser, settings):
    settings.EXPORTS_REQUEST_CONTEXT = KEEPER

    exports = [
        start_export(
            user=superuser,
            exporter="flights",
            changelist=LIST,
            context=context.capture(request_of(superuser, tenant=tenant)),
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
        lambda request: request.method,
        lambda request: request.GET.get("tenant", 1),
        lambda request: request.POST,
        lambda request: request.FILES,
    ],
)
def test_request_data_that_is_not_kept_is_refused(touch):
    request = context.restore(User(username="person"), {})

    with pytest.raises(MissingContext):
        touch(request)


def test_restored_request_has_the_kept_data():
    user = User(username="person")

    request = context.restore(user, {"language": "de"}, "q=x")

    assert (request.user, request.method, request.GET["q"]) == (user, "GET", "x")
    assert request.LANGUAGE_CODE == "de"
    assert not hasattr(request, "_messages")


@pytest.mark.usefixtures("flights", "by_tenant")
def test_admin_page_explains_missing_request_data(superuser, client):
    client.force_login(superuser)

    posted = client.post("/admin/demo/flight/export/", {"format": "csv"})

    assert posted.status_code == 422
    assert "request.tenant" in posted.content.decode()
    assert not Export.objects.exists()


# -- What a project's code does with a refusal ------------------------------------------------


class Guessing(FlightAdmin):
    """Takes the first tenant, whatever has gone wrong."""

    def get_queryset(self, request):
        try:
            tenant = request.tenant
        except Exception:  # noqa: BLE001 - what is tested
            tenant = 1
        return super().get_queryset(request).filter(pk__lte=tenant * 10)


@pytest.mark.usefixtures("flights")
def test_swallowed_refusal_still_refuses_the_request(superuser, monkeypatch):
    monkeypatch.setitem(admin.site._registry, Flight, Guessing(Flight, admin.site))

    with pytest.raises(MissingContext, match=r"request\.tenant"):
        build_spec(superuser, exporter="flights", changelist=LIST)


def test_refusal_converted_to_another_error_is_still_raised():
    def read():
        with context.restore(User(username="person"), {}) as request:
            try:
                return request.tenant
            except MissingContext as error:
                raise ValueError("no tenant") from error

    with pytest.raises(MissingContext, match=r"request\.tenant"):
        read()


# -- The project's class -----------------------------------------------------------------------


class Forgetful(Tenants):
    def restore(self, request, saved):
        pass


class Changed(Tenants):
    def restore(self, request, saved):
        request.tenant = saved["customer"]


@pytest.mark.parametrize(
    ("keeper", "stored", "refusal"),
    [
        ("", {}, r"EXPORTS_REQUEST_CONTEXT"),
        (KEEPER, {}, r"started without a request"),
        (f"{__name__}.Forgetful", {"project": {"tenant": 2}}, r"Make .*Forgetful save and restore"),
        (f"{__name__}.Changed", {"project": {"tenant": 2}}, r"Changed cannot restore .*'customer'"),
    ],
)
def test_refusal_names_the_remedy(settings, keeper, stored, refusal):
    settings.EXPORTS_REQUEST_CONTEXT = keeper

    with pytest.raises(MissingContext, match=refusal):
        _ = context.restore(User(username="person"), stored).tenant


@pytest.mark.parametrize("tenant", ["a\x00b", "\ud800"])
def test_unstorable_text_is_refused(superuser, settings, tenant):
    settings.EXPORTS_REQUEST_CONTEXT = KEEPER

    with pytest.raises(MissingContext, match="a character that databases cannot store"):
        context.capture(request_of(superuser, tenant=tenant))


@pytest.mark.parametrize("tenant", [object(), float("nan")])
def test_context_that_is_not_json_is_an_error_of_the_project(superuser, settings, tenant):
    settings.EXPORTS_REQUEST_CONTEXT = KEEPER

    with pytest.raises(ImproperlyConfigured, match=r"Tenants\.save\(\) has to return"):
        context.capture(request_of(superuser, tenant=tenant))


@pytest.mark.parametrize(
    ("keeper", "problem"),
    [
        ("nowhere.Context", "nowhere"),
        ("exports.spec.context.Nothing", "Nothing"),
        ("exports.spec.context.Protocol", "Protocol"),
        ("builtins.dict", "save"),
    ],
)
def test_unusable_context_class_is_found_at_start_up(settings, keeper, problem):
    settings.EXPORTS_REQUEST_CONTEXT = keeper

    [found] = context.check()

    assert found.id == "exports.E006"
    assert problem in found.msg


@pytest.mark.parametrize("keeper", ["", KEEPER])
def test_usable_context_class_passes_the_check(settings, keeper):
    settings.EXPORTS_REQUEST_CONTEXT = keeper

    assert context.check() == []
