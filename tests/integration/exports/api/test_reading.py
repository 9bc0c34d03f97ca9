"""The HTTP API of exports: exporters, lists and single exports."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from exports.models import Export
from exports.status import Status
from tests.support.exporting import force_status, request
from tests.support.exports_api import EXPORTS, UNKNOWN, answer, assert_problem, of, program

pytestmark = pytest.mark.django_db(transaction=True)


def test_exporters_are_listed_by_permission(api, another):
    (flights,) = api.get("/api/v1/exporters").json()

    assert flights["name"] == "flights"
    assert flights["label"] == "Flights"
    assert [each["name"] for each in flights["formats"]] == ["csv", "jsonl", "xlsx", "parquet"]
    assert flights["formats"][1] == {
        "name": "jsonl",
        "label": "JSON Lines",
        "options": [{"name": "gzip", "default": False, "choices": [True, False]}],
    }
    assert flights["formats"][0]["options"][0] == {
        "name": "delimiter",
        "default": ",",
        "choices": [",", ";", "\t", "|"],
    }
    assert flights["columns"][:3] == ["id", "date", "time_hour"]
    assert {"carrier", "date_after", "dep_delay_min"} <= set(flights["filters"])
    assert len(program(another).get("/api/v1/exporters").json()) >= 4


def test_list_has_own_exports_newest_first(api, exporter_user, another):
    exports = [request(exporter_user) for _ in range(3)]
    request(another)
    for age, export in enumerate(exports):
        Export.objects.filter(pk=export.pk).update(created_at=timezone.now() - timedelta(hours=age))

    body = api.get(EXPORTS).json()

    assert body["count"] == 3
    assert [each["id"] for each in body["items"]] == [str(export.pk) for export in exports]
    assert body["items"][0] == answer(Export.objects.get(pk=exports[0].pk))


def test_list_is_paginated(api, exporter_user):
    for _ in range(5):
        request(exporter_user)
    everything = [each["id"] for each in api.get(EXPORTS).json()["items"]]

    first = api.get(EXPORTS, {"limit": 2}).json()
    second = api.get(EXPORTS, {"limit": 2, "offset": 2}).json()
    beyond = api.get(EXPORTS, {"limit": 2, "offset": 6}).json()

    assert [each["id"] for each in first["items"] + second["items"]] == everything[:4]
    assert (first["count"], beyond["count"], beyond["items"]) == (5, 5, [])


def test_list_can_be_filtered_by_status(api, exporter_user):
    failed = force_status(request(exporter_user), Status.FAILED)
    request(exporter_user)

    body = api.get(EXPORTS, {"status": "failed"}).json()

    assert (body["count"], [each["id"] for each in body["items"]]) == (1, [str(failed.pk)])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 2**63}, "offset"),
        ({"status": "done"}, "status"),
    ],
)
def test_invalid_page_is_refused(api, parameters, field):
    response = api.get(EXPORTS, parameters)

    assert_problem(response, 422, field, field=field)


@pytest.mark.proves("foreign-exports-look-missing")
def test_foreign_export_looks_like_a_missing_one(api, another):
    theirs = request(another)

    for method, action in (
        ("get", ""),
        ("get", "file"),
        ("post", "cancel"),
        ("post", "pause"),
        ("post", "resume"),
    ):
        there = getattr(api, method)(of(theirs, action))
        nowhere = getattr(api, method)(of(Export(pk=uuid.UUID(UNKNOWN)), action))

        assert_problem(there, 404, f"There is no export {theirs.pk}.")
        assert there.content.replace(str(theirs.pk).encode(), UNKNOWN.encode()) == nowhere.content
    assert Export.objects.get().status == Status.QUEUED


@pytest.mark.proves("foreign-exports-look-missing")
def test_view_permission_shows_foreign_exports_but_stops_none(api, another):
    theirs = request(another)
    User.objects.get(username="somebody").user_permissions.add(
        Permission.objects.get(codename="view_export")
    )

    assert api.get(of(theirs)).status_code == 200
    assert_problem(api.post(of(theirs, "cancel")), 403, "view this export")
    assert api.get(EXPORTS).json()["count"] == 0
