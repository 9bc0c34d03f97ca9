"""Refused requests and previews of a user are counted, and too many of them are refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from exports import lifecycle
from exports.exceptions import (
    InvalidFilter,
    NotPermitted,
    TooManyExports,
    TooManyRefusals,
)
from exports.models import Export
from exports.spec import refusals
from tests.support.exporting import force_status, request
from tests.support.starting import start_export

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("time_stands_still")]


def refuse(superuser):
    with pytest.raises(InvalidFilter):
        start_export(user=superuser, exporter="flights", filters={"nothing": 1})


def test_refused_requests_count_against_the_limit_of_a_minute(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 3
    for _ in range(3):
        refuse(superuser)

    with pytest.raises(TooManyRefusals) as refused:
        request(superuser)

    assert (refused.value.limit, refused.value.allowed) == ("refused_requests_per_minute", 3)
    assert refused.value.retry_after == 20
    assert not Export.objects.exists()


def test_refusals_of_every_kind_count(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE, settings.EXPORTS_MAX_ACTIVE = 3, 1
    request(superuser)
    User.objects.filter(pk=superuser.pk).update(is_staff=False)
    superuser.refresh_from_db()
    listed = {"model": "demo.flight", "query": ""}

    with pytest.raises(TooManyExports):
        request(superuser)
    with pytest.raises(NotPermitted):
        start_export(user=superuser, exporter="flights", changelist=listed)
    refuse(superuser)
    with pytest.raises(TooManyRefusals):
        request(superuser)


def test_refused_retry_counts_for_the_user_who_retries(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 3
    failed = force_status(request(superuser), "failed", params={"filters": {"nothing": 1}})
    manager = User.objects.create_superuser("manager")
    for _ in range(3):
        with pytest.raises(InvalidFilter):
            lifecycle.retry(failed, by=manager)

    with pytest.raises(TooManyRefusals):
        lifecycle.retry(failed, by=manager)
    assert request(superuser).pk


def test_refused_requests_count_for_their_user_only(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    refuse(superuser)

    assert request(User.objects.create_superuser("other")).pk


def test_corrected_typo_does_not_count(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 2
    refuse(superuser)

    assert request(superuser).pk
    assert request(superuser).pk


def test_every_interface_counts_refusals(superuser, signed_in, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    failed = force_status(request(superuser), "failed", params={"filters": {"nothing": 1}})
    settings.EXPORTS_MAX_ACTIVE = settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 4
    wrong = {"format": "csv", "filter-month": "13"}
    ways = {
        "api": lambda: signed_in.post(
            "/api/v1/exports",
            {"exporter": "flights", "filters": {"month": 13}},
            content_type="application/json",
        ),
        "retry": lambda: signed_in.post(f"/api/v1/exports/{failed.pk}/retry"),
        "page": lambda: signed_in.post("/exports/new/flights/", wrong),
        "save": lambda: signed_in.post("/exports/new/flights/", {**wrong, "save": ""}),
        "start": lambda: signed_in.post("/exports/", {"exporter": "flights", "format": "x"}),
        "admin": lambda: signed_in.post("/admin/demo/flight/export/?x=1", {"format": "x"}),
    }

    for name, ask in ways.items():
        refusals.clear()
        answers = [ask().status_code for _ in range(5)]
        assert answers == [422, 422, 422, 422, 429], name


PREVIEWS = {
    "page": ("/exports/new/flights/", {"preview": ""}, 422),
    "fragment": ("/exports/new/flights/preview", {}, 200),
    "admin": ("/admin/demo/flight/export/", {"preview": ""}, 422),
    "admin fragment": ("/admin/demo/flight/export/preview/", {}, 200),
}


@pytest.mark.parametrize("name", PREVIEWS)
def test_refused_previews_are_limited(signed_in, settings, name):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 2
    url, more, status = PREVIEWS[name]

    answers = [signed_in.post(url, {"format": "x", **more}) for _ in range(3)]

    assert [each.status_code for each in answers] == [status, status, 429]
    assert answers[-1].headers["Retry-After"] == "30"
    assert "2 of your requests were refused within a minute" in answers[-1].text


def test_refused_previews_do_not_block_new_exports(superuser, signed_in, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    for _ in range(3):
        signed_in.post("/exports/new/flights/preview", {"format": "x"})

    assert request(superuser).pk


def test_zero_disables_the_limit_of_refusals(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 0
    for _ in range(40):
        refuse(superuser)


def test_refusals_expire_and_the_oldest_users_are_forgotten(monkeypatch):
    now = [1_000.0]
    counts = refusals.Refusals(lambda: now[0])
    monkeypatch.setattr(refusals, "MAX_KEYS", 2)
    for _ in range(4):
        counts.add("first", 4)

    assert counts.wait("first") == 15
    now[0] += 14.9
    assert counts.wait("first") == 1
    now[0] += 0.2
    assert counts.wait("first") == 0
    counts.clear()
    counts.add("first", 1)
    counts.add("second", 1)
    counts.add("first", 1)  # Not the one that was refused longest ago any more.
    counts.add("third", 1)
    assert [counts.wait(key) for key in ("first", "second", "third")] == [120, 0, 60]
