"""Which exporters there are is told to who may run them: any other name is an unknown one."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from exports import lifecycle
from exports.exporters import registry
from notifications.api import tokens
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db

FORBIDDEN, UNKNOWN = "planes", "plains"  # Of one length, so that no Content-Length tells.
# What differs between any two answers: the masked token of forms, and the time.
PASSING = re.compile(rb'csrfmiddlewaretoken" value="[^"]*"|\d{4}-\d\d-\d\dT[\d:.]+\+00:00')


@pytest.fixture
def guest():
    """May export flights, and knows of nothing else."""
    user = User.objects.create_user("guest", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    return user


@pytest.fixture
def page(guest):
    client = Client()
    client.force_login(guest)
    return client


@pytest.fixture
def program(guest):
    return Client(headers={"Authorization": f"Bearer {tokens.create(guest)}"})


def answer(response, name):
    """All that can be told from it, without the name that was sent."""
    headers = {key: value for key, value in response.headers.items() if key != "Date"}
    body = PASSING.sub(b"", response.content).replace(name.encode(), b"NAME")
    return response.status_code, headers, body


BODIES = [
    {},
    {"format": "pdf"},
    {"columns": ["price"]},
    {"columns": []},
    {"headers": {"id": "a\nb"}},
    {"filters": {"price": 1}},
    {"filters": {"month": 13}},
    {"options": {"x": 1}},
    {"team": 7},
    {"label": "x" * 201},
    {"changelist": {"model": "demo.plane"}},
]


@pytest.mark.proves("hidden-exporters-look-missing")
@pytest.mark.parametrize("body", BODIES, ids=json.dumps)
@pytest.mark.parametrize("language", ["en", "de"])
def test_api_treats_a_hidden_exporter_like_an_unknown_one(program, body, language):
    def ask(name):
        sent = json.dumps({"exporter": name, **body})
        response = program.post(
            reverse("api:create_export"),
            sent,
            content_type="application/json",
            headers={"Accept-Language": language},
        )
        return answer(response, name)

    hidden = ask(FORBIDDEN)

    assert hidden == ask(UNKNOWN)
    assert hidden[0] == 422


def pages(name):
    choose, look = reverse("exports:choose", args=[name]), reverse("exports:preview", args=[name])
    yield "get", choose, {}
    yield "get", f"{choose}?preset=1&format=xlsx", {}
    yield "head", choose, {}
    yield "options", choose, {}
    yield "put", choose, {}
    yield "post", choose, {"format": "csv", "columns": "id"}
    yield "get", look, {}
    yield "post", look, {"format": "csv"}
    yield "post", reverse("exports:create"), {"exporter": name, "format": "csv"}
    yield "post", reverse("exports:create"), {"exporter": name, "format": "csv", "choose": ""}
    yield "post", reverse("exports:create"), {"exporter": name, "format": "pdf"}


@pytest.mark.proves("hidden-exporters-look-missing")
@pytest.mark.parametrize("number", range(len(list(pages("x")))))
def test_pages_treat_a_hidden_exporter_like_an_unknown_one(page, number):
    def ask(name):
        method, url, data = list(pages(name))[number]
        return answer(getattr(page, method)(url, data), name)

    hidden, unknown = ask(FORBIDDEN), ask(UNKNOWN)

    assert hidden[:2] == unknown[:2]
    assert hidden[2].splitlines() == unknown[2].splitlines()


@pytest.mark.proves("hidden-exporters-look-missing")
def test_readable_data_does_not_name_hidden_exporters(page, program, guest):
    start_export(user=guest, exporter="flights")
    hidden = {each.name for each in registry.available(User(is_superuser=True))} - {"flights"}
    assert hidden >= {"airports", "planes"}
    error = program.post(
        reverse("api:create_export"), {"exporter": "?"}, content_type="application/json"
    )

    read = [
        error,
        program.get("/api/v1/exporters"),
        program.get("/api/v1/exports"),
        program.options("/api/v1/exporters"),
        program.get("/api/openapi.json"),
        program.get("/api/asyncapi.json"),
        program.get("/api/v1/inbox"),
        page.get(reverse("exports:dashboard")),
        page.get(reverse("exports:choose", args=["flights"])),
        page.get(reverse("admin:index")),
    ]

    words = re.compile("|".join(rf"\b{name}\b" for name in hidden), re.IGNORECASE)
    assert [found[0] for each in read if (found := words.search(each.text))] == []


def test_user_who_sees_an_export_learns_the_exporters_label(guest, page, program):
    export = start_export(user=guest, exporter="flights")
    guest.user_permissions.clear()
    lifecycle.cancel(export)

    response = program.post(f"/api/v1/exports/{export.pk}/retry")

    assert response.status_code == 403
    assert response.json()["detail"].startswith('You do not have permission to export "Flights".')
    assert page.get(export.get_absolute_url()).status_code == 200


def test_removed_exporter_reveals_no_other(guest, program, monkeypatch):
    export = start_export(user=guest, exporter="flights")
    lifecycle.cancel(export)
    monkeypatch.delitem(registry.EXPORTERS, "flights")

    answers = [
        program.get(f"/api/v1/exports/{export.pk}/file"),
        program.post(f"/api/v1/exports/{export.pk}/retry"),
    ]

    assert [each.json()["detail"] for each in answers] == [
        'The exporter "flights" is no longer available.'
    ] * 2
