"""The parts of a running export: who claims one, and who may still write."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from exports.exceptions import Fenced, Stopped
from exports.lifecycle import attempts, parts
from exports.models import Export, Part, PartStatus
from exports.status import Status
from notifications.models import Event, Retained, Stream
from tests.support.exporting import events, force_status, log, retained, start

pytestmark = pytest.mark.django_db

PAST = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def export():
    """Claimed by a worker, with three open parts of ten rows."""
    claimed = start(User.objects.create_superuser("person"))
    plan(claimed, 3)
    return claimed


def plan(export, number):
    new = [
        Part(export=export, number=each, upto_key=str(each * 10), rows=10)
        for each in range(1, number + 1)
    ]
    parts.save_plan(export, new, number * 10)


def tables():
    """Everything that a fenced worker could have written."""
    return [
        list(model.objects.order_by("pk").values()) for model in (Export, Part, Event, Retained)
    ] + [list(Stream.objects.order_by("pk").values("name", "head", "revision"))]


def lines(*messages):
    return [{"level": "INFO", "message": each, "logger": "x"} for each in messages]


# -- The plan -----------------------------------------------------------------------


def test_plan_is_saved_and_announced_with_its_row_count(export):
    assert (export.rows_total, export.stage) == (30, "extracting")
    assert [part.upto_key for part in export.parts.all()] == ["10", "20", "30"]
    assert retained(export.owner_stream, export.key)["rows_total"] == 30


def test_empty_plan_is_valid():
    claimed = start(User.objects.create_superuser("person"))

    plan(claimed, 0)

    assert claimed.rows_total == 0
    assert parts.claim(claimed) is None
    assert parts.all_done(claimed)


# -- Claims -------------------------------------------------------------------------


def test_parts_are_claimed_in_order(export):
    claimed = [parts.claim(export) for _ in range(4)]

    assert [part and part.number for part in claimed] == [1, 2, 3, None]
    first = Part.objects.get(number=1)
    assert (first.status, first.attempt, first.worker) == ("claimed", 1, export.worker)
    assert first.lease_expires_at > datetime.now(UTC)


def test_part_that_its_worker_holds_is_not_claimed(export):
    parts.claim(export)

    assert parts.claim(export).number == 2


@pytest.mark.parametrize("change", [{"attempt": 2}, {"status": "pausing"}, {"status": "queued"}])
def test_parts_of_a_moved_export_are_not_claimed(export, change):
    Export.objects.update(**change)

    assert parts.claim(export) is None
    assert parts.claim(export, helper="helper") is None


def test_part_with_an_expired_lease_is_claimed_again(export):
    first = parts.claim(export)
    Part.objects.filter(pk=first.pk).update(lease_expires_at=PAST, rows_done=5)

    again = parts.claim(export)

    assert (again.pk, again.attempt, again.rows_done) == (first.pk, 2, 0)


def test_part_that_is_done_is_not_claimed(export):
    first = parts.claim(export)
    parts.finish(first, file="a", crc32=7)

    assert parts.claim(export).number == 2
    assert not parts.all_done(export)


@pytest.mark.only_on("postgres")
@pytest.mark.django_db(transaction=True)
def test_claim_skips_a_part_locked_by_another_worker(export):
    taking, taken = threading.Event(), threading.Event()

    def take():
        with transaction.atomic():
            parts.claim(export)
            taking.set()
            taken.wait(10)
        connection.close()

    other = threading.Thread(target=take)
    other.start()
    taking.wait(10)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        number = parts.claim(export).number
    taken.set()
    other.join()

    assert number == 2


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_get_different_parts(export):
    plan_size = 3
    barrier = threading.Barrier(4)
    got = []

    def claim():
        barrier.wait()
        try:
            part = parts.claim(Export.objects.get(pk=export.pk))
            got.append(part.number if part else None)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got, key=str) == [*range(1, plan_size + 1), None]
    assert set(Part.objects.values_list("attempt", flat=True)) == {1}


# -- Ticks --------------------------------------------------------------------------


def test_tick_saves_the_counters_and_renews_both_leases(export):
    part = parts.claim(export)
    Export.objects.update(lease_expires_at=PAST)
    Part.objects.filter(pk=part.pk).update(lease_expires_at=PAST)
    part.rows_done, part.bytes = 7, 700

    parts.tick(export, part, rate=12.34, lines=lines("one", "two"))

    part.refresh_from_db()
    assert (part.rows_done, part.bytes) == (7, 700)
    assert part.lease_expires_at > datetime.now(UTC)
    assert export.lease_expires_at > datetime.now(UTC)
    assert (export.rows_done, export.bytes, export.rate) == (7, 700, 12.34)
    assert log(export) == ["one", "two"]
    for stream in (export.stream, export.owner_stream):
        assert retained(stream, export.key)["rows_done"] == 7
        assert retained(stream, export.key)["rate"] == 12.3


def test_tick_includes_finished_parts(export):
    first = parts.claim(export)
    first.rows_done, first.bytes = 10, 100
    parts.finish(first, file="a", crc32=7)
    second = parts.claim(export)
    second.rows_done, second.bytes = 3, 30

    parts.tick(export, second)

    assert (export.rows_done, export.bytes) == (13, 130)


def test_rows_that_are_read_again_are_announced(export):
    part = parts.claim(export)
    part.rows_done = 7
    parts.tick(export, part)

    Part.objects.filter(pk=part.pk).update(lease_expires_at=PAST)
    again = parts.claim(export)
    told = []
    for again.rows_done in (0, 4, 7, 9):
        parts.tick(export, again)
        told.append(retained(export.stream, export.key)["rows_again"])

    assert told == [7, 3, 0, 0]


@pytest.mark.parametrize("fields", [{"status": "succeeded"}, {"stage": "assembling"}])
def test_export_past_its_parts_has_no_rows_to_read_again(export, fields):
    force_status(export, **{"status": "running", **fields}, rows_most=7, rows_done=5)

    assert export.rows_again == 0


def test_ticks_write_no_events(export):
    part = parts.claim(export)

    for part.rows_done in range(50):
        parts.tick(export, part)

    assert events(export.owner_stream) == ["export.queued", "export.started"]
    assert Retained.objects.count() == 2


@pytest.mark.parametrize("asked", ["pausing", "cancelling"])
def test_tick_notices_a_requested_stop_and_writes_nothing(export, asked):
    part = parts.claim(export)
    part.rows_done = 5
    force_status(Export.objects.get(), asked)
    before = tables()

    with pytest.raises(Stopped):
        parts.tick(export, part, lines=lines("lost?"))

    assert tables() == before


def test_tick_of_an_older_attempt_is_fenced_and_writes_nothing(export):
    part = parts.claim(export)
    part.rows_done = 5
    force_status(Export.objects.get(), Status.QUEUED)
    attempts.claim(export.pk, worker="another")
    before = tables()

    with pytest.raises(Fenced):
        parts.tick(export, part, lines=lines("never"))

    assert tables() == before


def test_tick_for_a_reclaimed_part_is_fenced_and_writes_nothing(export):
    part = parts.claim(export)
    part.rows_done = 5
    Part.objects.filter(pk=part.pk).update(lease_expires_at=PAST)
    parts.claim(export)
    before = tables()

    with pytest.raises(Fenced):
        parts.tick(export, part)

    assert tables() == before


@pytest.mark.parametrize("status", ["queued", "paused", "cancelled", "failed", "succeeded"])
def test_tick_of_a_resting_export_is_fenced(export, status):
    force_status(Export.objects.get(), status)

    with pytest.raises(Fenced):
        parts.tick(export)


def test_plan_by_a_fenced_worker_is_not_saved(export):
    force_status(Export.objects.get(), Status.QUEUED)
    attempts.claim(export.pk, worker="another")

    with pytest.raises(Fenced):
        plan(export, 9)

    assert Part.objects.count() == 3


def test_part_finished_by_a_fenced_worker_is_not_done(export):
    part = parts.claim(export)
    Part.objects.filter(pk=part.pk).update(attempt=2)

    with pytest.raises(Fenced):
        parts.finish(part, file="a", crc32=7)

    assert Part.objects.get(pk=part.pk).status == PartStatus.CLAIMED


# -- Renewals -----------------------------------------------------------------------


def leases(export):
    return [
        *Export.objects.values_list("lease_expires_at", flat=True),
        *export.parts.filter(number=1).values_list("lease_expires_at", flat=True),
    ]


@pytest.mark.parametrize("status", ["running", "pausing", "cancelling"])
def test_renewal_renews_both_leases_and_nothing_else(export, status):
    part = parts.claim(export)
    force_status(export, status, lease_expires_at=PAST)
    Part.objects.filter(pk=part.pk).update(lease_expires_at=PAST)
    before = Event.objects.count()

    parts.renew(export.pk, export.attempt)
    parts.renew_part(part)

    assert all(lease > datetime.now(UTC) for lease in leases(export))
    assert Event.objects.count() == before


def test_renewal_does_not_bring_back_a_lost_claim(export):
    part = parts.claim(export)
    Export.objects.update(attempt=2, lease_expires_at=PAST)
    Part.objects.filter(pk=part.pk).update(attempt=2, lease_expires_at=PAST)

    parts.renew(export.pk, 1)
    parts.renew_part(part)

    assert leases(export) == [PAST, PAST]


# -- The log ------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3, 4, 5, 9, 50])
def test_full_log_ends_with_a_notice_and_the_export_continues(export, settings, batch):
    settings.EXPORTS_LOG_LINES = 5
    messages = [f"line {number}" for number in range(1, 51)]

    for first in range(0, 50, batch):
        parts.tick(export, lines=lines(*messages[first : first + batch]))

    assert log(export) == [*messages[:4], "The log is full at 5 lines. Later lines are not kept."]
    assert export.status == Status.RUNNING


def test_log_with_room_has_every_line_and_no_notice(export, settings):
    settings.EXPORTS_LOG_LINES = 5

    for number in range(4):
        parts.tick(export, lines=lines(str(number)))

    assert log(export) == ["0", "1", "2", "3"]


def test_full_log_still_records_the_end_of_the_export(export, settings):
    settings.EXPORTS_LOG_LINES = 3
    parts.tick(export, lines=lines(*"abcdef"))

    attempts.fail(export, "Why.", lines=lines(*"uvwxyz"))

    assert log(export) == [
        "a",
        "b",
        "The log is full at 3 lines. Later lines are not kept.",
        *"vwxyz",
    ]


def test_final_log_lines_follow_the_notice_of_a_full_log(export, settings):
    settings.EXPORTS_LOG_LINES = 3

    attempts.fail(export, "Why.", lines=lines(*"abcdefghij"))

    assert log(export) == [
        "a",
        "b",
        "The log is full at 3 lines. Later lines are not kept.",
        *"fghij",
    ]
