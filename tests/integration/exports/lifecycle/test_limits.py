"""How much one person may ask for, and how large an export may be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from demo.models import Flight
from exports import lifecycle
from exports.exceptions import TooLarge, TooManyExports, TooManyRequests
from exports.exporters import Exporter
from exports.lifecycle import limits, queue
from exports.models import Export
from exports.status import FINAL, Status
from tests.support.at_once import at_once
from tests.support.exporting import force_status, registered, request

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_is_told(monkeypatch):
    monkeypatch.setattr(queue, "enqueue", lambda _: True)


def aged(export, seconds):
    """Let it have been requested so long ago, by the database's clock."""
    long_ago = limits.Now() - timedelta(seconds=seconds)
    Export.objects.filter(pk=export.pk).update(created_at=long_ago)
    return export


# -- Exports under way ------------------------------------------------------------------------


def test_request_beyond_the_limit_of_active_exports_is_refused(superuser, settings):
    settings.EXPORTS_MAX_ACTIVE = 2
    request(superuser)
    request(superuser)

    with pytest.raises(TooManyExports) as refused:
        request(superuser)

    assert str(refused.value) == (
        "You have reached your limit of active exports (2 of 2). Wait for one to finish, or cancel "
        "one. Paused exports count."
    )
    assert (refused.value.limit, refused.value.allowed) == ("active_exports", 2)
    assert refused.value.retry_after is None
    assert Export.objects.count() == 2


@pytest.mark.parametrize("status", sorted(set(Status) - FINAL))
def test_active_and_paused_exports_count_against_the_limit(superuser, settings, status):
    settings.EXPORTS_MAX_ACTIVE = 1
    force_status(request(superuser), status)

    with pytest.raises(TooManyExports):
        request(superuser)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_finished_exports_do_not_count_against_the_limit(superuser, settings, status):
    settings.EXPORTS_MAX_ACTIVE = 1
    force_status(request(superuser), status)

    assert request(superuser).status == Status.QUEUED


def test_exports_of_others_do_not_count(superuser, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    request(User.objects.create_superuser("other"))

    assert request(superuser).owner == superuser


def test_identical_request_at_the_limit_finds_the_active_export(superuser, settings):
    settings.EXPORTS_MAX_ACTIVE = settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    first = request(superuser, label="A")

    assert request(superuser, label="A") == first


@pytest.mark.parametrize("limit", ["EXPORTS_MAX_ACTIVE", "EXPORTS_MAX_REQUESTS_PER_MINUTE"])
def test_zero_disables_a_limit(superuser, settings, limit):
    settings.EXPORTS_MAX_ACTIVE = settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 2
    setattr(settings, limit, 0)
    other = TooManyRequests if limit == "EXPORTS_MAX_ACTIVE" else TooManyExports
    request(superuser)
    request(superuser)

    with pytest.raises(other):
        request(superuser)


@pytest.mark.proves("export-limits-hold")
@pytest.mark.django_db(transaction=True)
def test_clicks_at_once_do_not_get_past_the_limit(superuser, settings):
    settings.EXPORTS_MAX_ACTIVE = 3

    outcomes = at_once(10, lambda: request(superuser))

    refused = [each for each in outcomes if isinstance(each, TooManyExports)]
    assert len(refused) == 7
    assert Export.objects.count() == 3
    assert all(isinstance(each, Export | TooManyExports) for each in outcomes)


@pytest.mark.django_db(transaction=True)
def test_simultaneous_clicks_at_the_limit_are_one_export(superuser, settings):
    settings.EXPORTS_MAX_ACTIVE = settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1

    outcomes = at_once(10, lambda: request(superuser, label="A").pk)

    assert outcomes == [Export.objects.get().pk] * 10


# -- Requests in a minute -----------------------------------------------------------------------


@pytest.mark.proves("export-limits-hold")
def test_request_beyond_the_minute_limit_gets_the_retry_time(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 3
    for seconds in (50, 20, 10):
        aged(force_status(request(superuser), Status.CANCELLED), seconds)

    with pytest.raises(TooManyRequests) as refused:
        request(superuser)

    wait = refused.value.retry_after
    assert 1 <= wait <= 10
    assert str(refused.value) == (f"You can start 3 exports a minute. Try again in {wait} s.")
    assert (refused.value.limit, refused.value.allowed) == ("requests_per_minute", 3)
    assert Export.objects.count() == 3


def test_retry_time_ends_with_the_last_request_in_the_way(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 2
    exports = [force_status(request(superuser), Status.FAILED) for _ in range(2)]
    for export, seconds in zip(exports, (58, 20), strict=True):
        aged(export, seconds)
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1

    with pytest.raises(TooManyRequests) as refused:
        request(superuser)

    assert 30 <= refused.value.retry_after <= 40


def test_limit_of_requests_is_free_again_after_a_minute(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    aged(request(superuser), 61)

    assert request(superuser).status == Status.QUEUED


@pytest.mark.proves("export-limits-hold")
def test_wrong_clock_of_a_host_does_not_date_requests(superuser, settings, monkeypatch):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    right = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: right - timedelta(hours=1))

    export = request(superuser)

    assert abs(export.created_at - right) < timedelta(minutes=5)
    assert abs(export.queued_at - right) < timedelta(minutes=5)
    with pytest.raises(TooManyRequests):
        request(superuser)


def test_resumed_export_does_not_count_as_a_request(superuser, settings):
    settings.EXPORTS_MAX_REQUESTS_PER_MINUTE = 1
    export = aged(request(superuser), 61)
    lifecycle.pause(export)
    lifecycle.resume(export)

    assert request(superuser) != export


# -- How large it is ------------------------------------------------------------------------


class Small(Exporter):
    queryset = Flight.objects.all()
    columns = ("id",)
    permission = "demo.export_flight"
    max_rows = 10
    max_bytes = 1_000


class Unlimited(Small):
    max_rows = 0
    max_bytes = 0


def export_of(superuser, exporter):
    return request(superuser, exporter=exporter, columns=None)


@pytest.fixture
def exporters(settings):
    """Limits of the site's, and two exporters that have others."""
    settings.EXPORTS_MAX_ROWS = 1_000_000
    settings.EXPORTS_MAX_BYTES = 5_000_000
    with registered(Small, Unlimited):
        yield


@pytest.mark.parametrize(("exporter", "most"), [("flights", 1_000_000), ("small", 10)])
def test_more_rows_than_an_export_may_have_are_refused(superuser, exporters, exporter, most):
    export = export_of(superuser, exporter)

    limits.check_rows(export, most)
    with pytest.raises(TooLarge) as refused:
        limits.check_rows(export, most + 1)

    assert str(refused.value) == (
        f"This export has {most + 1:,} rows; the limit is {most:,}. "
        "Add filters, or ask an administrator to raise the limit."
    )


@pytest.mark.parametrize(("exporter", "most"), [("flights", 5_000_000), ("small", 1_000)])
def test_more_bytes_than_a_file_may_have_are_refused(superuser, exporters, exporter, most):
    export = export_of(superuser, exporter)

    limits.check_bytes(export, most)
    with pytest.raises(TooLarge) as refused:
        limits.check_bytes(export, most + 1)

    assert str(refused.value) == (
        f"The file has {most + 1:,} bytes so far; the limit is {most:,}. Add filters, "
        "choose fewer columns, or ask an administrator to raise the limit."
    )


def test_exporter_can_lift_the_size_limits(superuser, exporters):
    export = export_of(superuser, "unlimited")

    limits.check_rows(export, 10**12)
    limits.check_bytes(export, 10**15)

    assert limits.conf.MAX_ROWS < 10**12


def test_exports_have_no_size_limit_by_default(superuser):
    export = request(superuser)

    limits.check_rows(export, 10**12)
    limits.check_bytes(export, 10**15)

    assert (limits.conf.MAX_ROWS, limits.conf.MAX_BYTES) == (0, 0)
