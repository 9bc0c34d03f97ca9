"""The HTTP API of exports: stopping, resuming, repeating and downloading one."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import AsyncClient
from django.utils import timezone

from exports.lifecycle import attempts
from exports.models import Export
from exports.status import Status
from tests.support import exporting
from tests.support.exporting import file_with, force_status, make_flights, request, run
from tests.support.exports_api import answer, assert_problem, of, program

pytestmark = pytest.mark.django_db(transaction=True)


# -- Stopping and going on -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        ("queued", "cancel", "cancelled"),
        ("running", "cancel", "cancelling"),
        ("running", "pause", "pausing"),
        ("queued", "pause", "paused"),
        ("paused", "resume", "queued"),
    ],
)
def test_allowed_action_returns_the_new_snapshot(api, exporter_user, before, action, after):
    export = force_status(request(exporter_user), before)

    response = api.post(of(export, action))

    export.refresh_from_db()
    assert (response.status_code, response.json()["status"], export.status) == (202, after, after)
    assert response.json() == answer(export)


@pytest.mark.parametrize(
    ("status", "action", "detail"),
    [
        ("succeeded", "cancel", "This export is succeeded. It can no longer be cancelled."),
        ("cancelling", "pause", "This export is cancelling. It can no longer be paused."),
        ("failed", "pause", "This export is failed. It can no longer be paused."),
        ("running", "resume", "This export is running. Only paused exports can be resumed."),
        ("cancelled", "resume", "This export is cancelled. Only paused exports can be resumed."),
        ("queued", "retry", "This export is queued. Only failed or cancelled exports"),
        ("succeeded", "retry", "Finished exports can be run again"),
        ("failed", "again", "Failed or cancelled exports can be retried"),
    ],
)
def test_illegal_action_is_refused_with_a_reason(api, exporter_user, status, action, detail):
    export = force_status(request(exporter_user), status)

    assert_problem(api.post(of(export, action)), 409, detail)

    export.refresh_from_db()
    assert export.status == status


# -- Asking again --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "action"), [("failed", "retry"), ("cancelled", "retry"), ("succeeded", "again")]
)
def test_finished_export_is_repeated_as_a_new_one(api, exporter_user, status, action):
    origin = force_status(request(exporter_user), status)

    first, second = api.post(of(origin, action)), api.post(of(origin, action))

    new = Export.objects.exclude(pk=origin.pk).get()
    assert (first.status_code, second.status_code) == (202, 200)
    for response in (first, second):
        assert response["Location"] == f"http://testserver{of(new)}"
        assert response.json() == answer(new)
    assert first.json()["origin"] == str(origin.pk)


def test_viewed_foreign_export_cannot_be_repeated(exporter_user, another):
    theirs = force_status(request(another), Status.FAILED)
    exporter_user.user_permissions.add(Permission.objects.get(codename="view_export"))

    assert_problem(program(exporter_user).post(of(theirs, "retry")), 403, "but not change it")

    assert Export.objects.count() == 1


def test_retry_without_permission_is_refused(api, exporter_user):
    origin = force_status(request(exporter_user), Status.FAILED)
    exporter_user.user_permissions.clear()

    assert_problem(
        api.post(of(origin, "retry")), 403, 'You do not have permission to export "Flights".'
    )


def test_retry_with_a_removed_column_is_refused(api, exporter_user):
    origin = force_status(request(exporter_user), Status.FAILED, params={"columns": ["price"]})

    assert_problem(api.post(of(origin, "retry")), 422, 'no column "price"', field="columns")


def test_retry_beyond_a_limit_is_refused(api, exporter_user, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    origin = force_status(request(exporter_user), Status.FAILED)

    response = api.post(of(origin, "retry"))

    assert_problem(response, 429, "Try again in", limit="requests_per_minute", allowed=1)
    assert int(response["Retry-After"]) > 0


# -- The file ------------------------------------------------------------------------------------


@pytest.fixture
def finished(exporter_user, settings, tmp_path):
    """A succeeded export with its file."""
    exporting.use_folders(settings, tmp_path)
    make_flights(range(1, 36))
    return run(attempts.claim(request(exporter_user, label="Flights").pk, worker="worker-1"))


@pytest.mark.django_db(transaction=True)
async def test_file_download_has_its_digest_and_length(finished, exporter_user):
    export = finished
    client = AsyncClient()
    await client.aforce_login(exporter_user)

    response = await client.get(of(export, "file"))

    assert response.status_code == 200
    assert b"".join([block async for block in response]) == file_with(range(1, 36))
    assert response["ETag"] == f'"{export.sha256}"'
    assert response["Content-Length"] == str(export.bytes)
    assert 'filename="Flights.csv"' in response["Content-Disposition"]


def test_missing_file_has_a_reason(api, exporter_user):
    assert_problem(
        api.get(of(request(exporter_user), "file")), 404, "no file. Its status is queued."
    )


def test_expired_file_gives_410(api, finished):
    force_status(finished, Status.SUCCEEDED, expires_at=timezone.now())

    assert_problem(api.get(of(finished, "file")), 410, "expired")


def test_file_is_refused_after_the_permission_was_lost(api, exporter_user, finished):
    exporter_user.user_permissions.clear()

    assert_problem(
        api.get(of(finished, "file")), 403, 'You do not have permission to export "Flights"'
    )
