"""Each face validates a request once: it builds one spec, and hands that on."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User

from exports.models import Export, Preset
from exports.spec import presets, spec
from tests.support.exporting import make_flights

pytestmark = pytest.mark.django_db

CHOOSE, LIST = "/exports/new/flights/", "/admin/demo/flight/export/"
POSTS = {
    "dashboard starts": ("/exports/", {"exporter": "flights"}, 303),
    "page starts": (CHOOSE, {}, 303),
    "page saves": (CHOOSE, {"save": "", "preset": "Mine"}, 303),
    "page previews": (CHOOSE, {"preview": ""}, 200),
    "script previews": (f"{CHOOSE}preview", {}, 200),
    "admin starts": (LIST, {}, 302),
    "admin saves": (LIST, {"save": "", "preset": "Mine"}, 200),
    "admin previews": (LIST, {"preview": ""}, 200),
    "script of admin previews": (f"{LIST}preview/", {}, 200),
}


@pytest.fixture
def user():
    return User.objects.create_superuser("user")


@pytest.fixture
def signed_in(client, user):
    client.force_login(user)
    return client


@pytest.fixture
def built(monkeypatch):
    """The exporters of the specs that were built."""
    exporters = []
    build = spec._build

    def record(user, *, exporter, **request):
        exporters.append(exporter)
        return build(user, exporter=exporter, **request)

    monkeypatch.setattr(spec, "_build", record)
    return exporters


@pytest.mark.parametrize("name", POSTS)
def test_post_of_a_page_validates_its_request_once(signed_in, built, name):
    make_flights(range(1, 4))
    url, fields, status = POSTS[name]

    response = signed_in.post(url, {"format": "csv", **fields})

    assert response.status_code == status
    assert built == ["flights"]
    assert Export.objects.count() == ("starts" in name)
    assert Preset.objects.exclude(name=presets.LAST).count() == ("saves" in name)
    assert ("preview" in (response.context or {})) == ("previews" in name)


def test_saved_choice_is_validated_once_when_it_runs(signed_in, user, built):
    preset = presets.save(spec.build_spec(user, exporter="flights"), "Mine")
    built.clear()

    signed_in.post(f"/exports/presets/{preset.pk}/run")

    assert Export.objects.count() == 1
    assert built == ["flights"]


def test_api_validates_a_request_once(signed_in, built):
    body = json.dumps({"exporter": "flights"})

    response = signed_in.post("/api/v1/exports", body, content_type="application/json")

    assert response.status_code == 202
    assert built == ["flights"]


def test_retried_export_is_validated_once(signed_in, user, built):
    signed_in.post("/exports/", {"exporter": "flights", "format": "csv"})
    Export.objects.update(status="failed")
    built.clear()

    response = signed_in.post(f"/api/v1/exports/{Export.objects.get().pk}/retry")

    assert response.status_code == 202
    assert built == ["flights"]
