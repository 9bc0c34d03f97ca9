"""An export that has ended is requested again."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from exports import lifecycle
from exports.exceptions import IllegalMove, NotPermitted, TooManyExports
from exports.models import Export
from exports.status import Status
from tests.support import exporting
from tests.support.exporting import force_status, request

pytestmark = pytest.mark.django_db


EVERYTHING = {
    "format": "csv",
    "columns": ["id", "delay"],
    "filters": {"month": 1},
    "options": {"delimiter": ";"},
    "label": "In January",
}
REPEATS = [
    (lifecycle.retry, Status.FAILED),
    (lifecycle.retry, Status.CANCELLED),
    (lifecycle.run_again, Status.SUCCEEDED),
]


@pytest.mark.parametrize(("repeat", "status"), REPEATS)
def test_repeated_export_has_the_fields_of_its_origin(
    exporter_user, enqueued, django_capture_on_commit_callbacks, repeat, status
):
    team = Group.objects.create(name="Analysts")
    exporter_user.groups.add(team)
    origin = force_status(
        request(exporter_user, team=team.pk, **EVERYTHING), status, error="The disk is full."
    )

    with django_capture_on_commit_callbacks(execute=True):
        export, is_new = repeat(origin, by=exporter_user)

    assert is_new
    assert export.origin == origin
    assert (export.owner, export.team, export.exporter) == (exporter_user, team, "flights")
    assert (export.format, export.options, export.label) == (
        "csv",
        {"delimiter": ";"},
        "In January",
    )
    assert export.params == {"columns": ["id", "delay"], "filters": {"month": 1}}
    assert (export.status, export.attempt, export.error) == (Status.QUEUED, 0, "")
    assert enqueued == [export.pk]
    assert exporting.log(export) == [f"Repeats export {origin.pk}, requested by somebody."]
    assert export.log_lines == 1
    origin.refresh_from_db()
    assert (origin.status, origin.error) == (status, "The disk is full.")


@pytest.mark.parametrize(
    ("repeat", "status"),
    [
        (repeat, status)
        for repeat in (lifecycle.retry, lifecycle.run_again)
        for status in sorted(Status)
        if (repeat, status) not in REPEATS
    ],
)
def test_illegal_repetition_is_refused_with_the_legal_one(superuser, repeat, status):
    export = force_status(request(superuser), status)

    with pytest.raises(IllegalMove) as refused:
        repeat(export, by=superuser)

    right = "Only failed or cancelled exports can be retried. Finished exports can be run again."
    if repeat == lifecycle.run_again:
        right = (
            "Only finished exports can be run again. Failed or cancelled exports can be retried."
        )
    assert str(refused.value) == f"This export is {status}. {right}"
    assert Export.objects.count() == 1


def test_second_retry_returns_the_first_one(superuser):
    origin = force_status(request(superuser), Status.FAILED)

    first, second = lifecycle.retry(origin, by=superuser), lifecycle.retry(origin, by=superuser)

    assert second == (first[0], False)
    assert list(origin.repetitions.all()) == [first[0]]


def test_retry_of_an_active_export_returns_the_active_one(superuser):
    origin = force_status(request(superuser, label="A"), Status.FAILED)
    under_way = request(superuser, label="A")

    assert lifecycle.retry(origin, by=superuser) == (under_way, False)
    assert under_way.origin is None


def test_retry_counts_as_a_request(superuser, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    origin = force_status(request(superuser), Status.FAILED)
    request(superuser)

    with pytest.raises(TooManyExports, match=r"active exports \(1 of 1\)"):
        lifecycle.retry(origin, by=superuser)


def test_retry_checks_the_owners_permission(superuser, exporter_user):
    origin = force_status(request(exporter_user), Status.FAILED)
    exporter_user.user_permissions.clear()
    origin = Export.objects.get(pk=origin.pk)

    with pytest.raises(NotPermitted, match=r"^For somebody: You do not have permission to export"):
        lifecycle.retry(origin, by=superuser)

    assert Export.objects.count() == 1


def test_retry_by_an_administrator_belongs_to_the_owner(superuser, exporter_user):
    origin = force_status(request(exporter_user), Status.FAILED)

    export, _ = lifecycle.retry(origin, by=superuser)

    assert export.owner == exporter_user
    assert exporting.log(export) == [f"Repeats export {origin.pk}, requested by person."]


def test_retry_continues_without_its_origin(superuser):
    origin = force_status(request(superuser), Status.FAILED)
    export, _ = lifecycle.retry(origin, by=superuser)

    origin.delete()

    export.refresh_from_db()
    assert (export.status, export.origin) == (Status.QUEUED, None)


def test_retry_uses_the_current_status_of_a_stale_object(superuser):
    export = request(superuser)
    stale = Export.objects.get()
    force_status(export, Status.FAILED)

    assert lifecycle.retry(stale, by=superuser)[1]
