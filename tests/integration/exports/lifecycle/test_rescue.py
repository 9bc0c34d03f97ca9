"""What is stuck is put right, once, whoever looks and however many look at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from exports import lifecycle
from exports.exceptions import LostRace
from exports.lifecycle import attempts, parts, queue, queue_positions
from exports.lifecycle import rescue as lifecycle_rescue
from exports.models import Export, Part, PartStatus
from exports.status import Status
from tests.support.at_once import at_once
from tests.support.exporting import (
    events,
    expire_lease,
    force_status,
    log,
    request,
    retained,
    start,
)

pytestmark = pytest.mark.django_db

NOTHING = {"rescued": 0, "failed": 0, "settled": 0, "enqueued": 0}


@pytest.fixture
def broker(monkeypatch):
    """A broker that is told, and knows of as many messages as it is said to."""

    class Broker:
        told: list = []
        knows = 0

        def enqueue(self, export_id):
            self.told.append(export_id)
            Export.objects.filter(pk=export_id).update(enqueued_at=timezone.now())
            return True

    broker = Broker()
    broker.told = []
    monkeypatch.setattr(queue, "enqueue", broker.enqueue)
    monkeypatch.setattr(queue, "message_count", lambda: broker.knows)
    return broker


@pytest.fixture(autouse=True)
def _told(broker):
    """No test here tells the real one."""


def part_of(export, **fields):
    number = export.parts.count() + 1
    return Part.objects.create(
        export=export, number=number, upto_key=str(number), rows=10, **fields
    )


def ago(**age):
    return timezone.now() - timedelta(**age)


# -- Lost workers -------------------------------------------------------------------


def test_export_of_a_lost_worker_returns_to_the_queue(
    superuser, broker, django_capture_on_commit_callbacks
):
    export = expire_lease(start(superuser))

    with django_capture_on_commit_callbacks(execute=True):
        done = lifecycle_rescue.rescue()

    export.refresh_from_db()
    assert done == {**NOTHING, "rescued": 1, "enqueued": 1}
    assert (export.status, export.lease_expires_at, export.stage) == ("queued", None, "")
    assert (export.attempt, export.handovers) == (1, 0)
    assert broker.told[-1] == export.pk
    assert events(export.owner_stream)[-1] == "export.rescued"
    assert log(export) == [
        "Worker worker-1@tests, attempt 1, has not responded for 30 s. "
        "Another worker continues from the finished parts."
    ]


def test_rescue_keeps_finished_parts_and_reopens_the_claimed_one(superuser):
    export = start(superuser)
    part_of(export, status=PartStatus.DONE, rows_done=10, bytes=100, file="a", attempt=1)
    part_of(export, status=PartStatus.CLAIMED, rows_done=7, bytes=70, attempt=1)
    part_of(export)
    force_status(export, Status.RUNNING, rows_done=17, bytes=170, rows_total=30)
    expire_lease(export)

    lifecycle_rescue.rescue()

    export.refresh_from_db()
    assert list(export.parts.values_list("status", "rows_done", "bytes", "file")) == [
        ("done", 10, 100, "a"),
        ("open", 0, 0, ""),
        ("open", 0, 0, ""),
    ]
    assert (export.rows_done, export.bytes, export.rows_total) == (10, 100, 30)
    again = attempts.claim(export.pk, worker="another")
    assert parts.claim(again).number == 2


def test_valid_lease_is_left_alone(superuser):
    export = start(superuser)
    part_of(export, status=PartStatus.CLAIMED, rows_done=7)

    assert lifecycle_rescue.rescue() == {**NOTHING, "enqueued": 0}

    assert Export.objects.get().status == Status.RUNNING
    assert Part.objects.get().status == PartStatus.CLAIMED


@pytest.mark.parametrize("status", ["queued", "paused", "succeeded", "failed", "cancelled"])
def test_export_without_a_holder_cannot_be_lost(superuser, broker, status):
    export = force_status(request(superuser), status, enqueued_at=timezone.now())
    broker.knows = 1
    expire_lease(export)

    assert lifecycle_rescue.rescue() == NOTHING

    assert Export.objects.get().status == status


@pytest.mark.proves("exports-come-to-rest")
@pytest.mark.parametrize(("asked", "rest"), [("pausing", "paused"), ("cancelling", "cancelled")])
def test_rescue_completes_the_requested_stop_of_a_lost_worker(superuser, asked, rest):
    export = start(superuser)
    part_of(export, status=PartStatus.CLAIMED, rows_done=7)
    expire_lease(force_status(export, asked, rows_done=7))

    assert lifecycle_rescue.rescue() == {**NOTHING, "settled": 1}

    export.refresh_from_db()
    assert (export.status, export.lease_expires_at, export.rows_done) == (rest, None, 0)
    assert export.parts.get().status == PartStatus.OPEN
    assert events(export.stream)[-1] == f"export.{rest}"
    assert log(export) == ["Worker worker-1@tests, attempt 1, has not responded for 30 s."]


def test_second_rescue_has_nothing_to_do(superuser, broker):
    expire_lease(start(superuser))
    lifecycle_rescue.rescue()
    broker.knows = 1

    assert lifecycle_rescue.rescue() == NOTHING


def test_rescue_handles_several_exports(superuser):
    lost = [expire_lease(start(superuser)) for _ in range(3)]
    expire_lease(force_status(lost[1], Status.CANCELLING))

    done = lifecycle_rescue.rescue()

    assert (done["rescued"], done["settled"]) == (2, 1)


# -- How often ----------------------------------------------------------------------


def lose_worker(export):
    expire_lease(attempts.claim(export.pk, worker="worker-9"))
    return lifecycle_rescue.rescue()


@pytest.mark.proves("exports-come-to-rest")
def test_export_fails_after_its_last_lost_worker(superuser, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 3
    export = request(superuser)

    outcomes = [lose_worker(export) for _ in range(3)]

    export.refresh_from_db()
    assert [each["rescued"] for each in outcomes] == [1, 1, 0]
    assert outcomes[2]["failed"] == 1
    assert (export.status, export.attempt) == ("failed", 3)
    assert export.error == "3 workers stopped while running this export. The last one was worker-9."
    assert events(export.owner_stream, "export.failed")[0]["error"] == export.error
    assert log(export)[-1] == (
        "Worker worker-9, attempt 3, has not responded for 30 s. No further attempt."
    )


def test_hand_overs_do_not_count_as_lost_workers(superuser, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 2
    export = request(superuser)
    for _ in range(5):
        attempts.hand_over(attempts.claim(export.pk, worker="deployed"))

    assert lose_worker(export)["rescued"] == 1
    assert lose_worker(export)["failed"] == 1

    export.refresh_from_db()
    assert export.error == "2 workers stopped while running this export. The last one was worker-9."


def test_pauses_do_not_count_as_lost_workers(superuser, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 2
    export = request(superuser)
    for _ in range(5):
        claimed = attempts.claim(export.pk, worker="worker-1")
        lifecycle.pause(Export.objects.get())
        attempts.finish_stopping(claimed)
        lifecycle.resume(Export.objects.get())

    assert lose_worker(export)["rescued"] == 1
    assert lose_worker(export)["failed"] == 1


def test_worker_lost_while_pausing_counts(superuser, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 2
    export = start(superuser)
    expire_lease(force_status(export, Status.PAUSING))
    lifecycle_rescue.rescue()
    lifecycle.resume(Export.objects.get())

    assert lose_worker(export)["failed"] == 1


# -- Forgotten by the broker --------------------------------------------------------


def test_unsent_message_is_sent_by_the_rescue(superuser, broker):
    export = request(superuser)
    broker.knows = 10

    assert lifecycle_rescue.rescue() == {**NOTHING, "enqueued": 1}
    assert broker.told == [export.pk]


def test_forgotten_messages_are_sent_again_oldest_first(superuser, broker):
    exports = [
        force_status(request(superuser), Status.QUEUED, enqueued_at=ago(minutes=1))
        for _ in range(3)
    ]
    moment = datetime(2013, 1, 1, tzinfo=UTC)
    for number, export in enumerate(reversed(exports)):
        Export.objects.filter(pk=export.pk).update(queued_at=moment + timedelta(hours=number))

    assert lifecycle_rescue.rescue()["enqueued"] == 3
    assert broker.told == [export.pk for export in reversed(exports)]


def test_message_known_to_the_broker_is_not_sent_again(superuser, broker):
    force_status(request(superuser), Status.QUEUED, enqueued_at=ago(hours=5))
    broker.knows = 1

    assert lifecycle_rescue.rescue() == NOTHING


def test_recently_enqueued_export_is_not_enqueued_again(superuser, broker):
    force_status(request(superuser), Status.QUEUED, enqueued_at=ago(seconds=1))

    assert lifecycle_rescue.rescue() == NOTHING


def test_broker_outage_retries_only_unsent_messages(superuser, broker):
    force_status(request(superuser), Status.QUEUED, enqueued_at=ago(hours=5))
    new = request(superuser)
    broker.knows = None

    lifecycle_rescue.rescue()

    assert broker.told == [new.pk]


def test_failed_send_is_not_counted_as_enqueued(superuser, broker, monkeypatch):
    request(superuser)
    monkeypatch.setattr(queue, "enqueue", lambda export_id: False)

    assert lifecycle_rescue.rescue() == NOTHING


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.QUEUED}))
def test_only_queued_exports_are_enqueued(superuser, broker, status):
    force_status(request(superuser), status)

    assert lifecycle_rescue.rescue()["enqueued"] == 0


# -- At once ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_concurrent_rescues_act_once(superuser):
    exports = [expire_lease(start(superuser)) for _ in range(5)]
    expire_lease(force_status(exports[4], Status.CANCELLING))

    outcomes = at_once(3, lifecycle_rescue.rescue)

    assert sum(each["rescued"] for each in outcomes) == 4
    assert sum(each["settled"] for each in outcomes) == 1
    for export in exports[:4]:
        assert events(export.stream) == ["export.queued", "export.started", "export.rescued"]
    assert set(Export.objects.values_list("attempt", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_concurrent_rescue_and_worker_do_not_deadlock(superuser, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 1_000
    export = start(superuser)
    parts.save_plan(export, [Part(export=export, number=1, upto_key="1", rows=10)], 10)

    def work():
        export = Export.objects.get()
        if export.status == Status.QUEUED:
            export = attempts.claim(export.pk, worker="worker-2")
        if part := parts.claim(export):
            for part.rows_done in range(5):
                parts.tick(export, part)

    def go_on(step):
        for _ in range(20):
            with suppress(LostRace):
                step()

    def rescue():
        expire_lease(Export.objects.get())
        lifecycle_rescue.rescue()

    steps = iter([work, rescue])
    outcomes = at_once(2, lambda: go_on(next(steps)))

    assert outcomes == [None, None]


def test_lease_renewed_during_the_rescue_is_left_alone(superuser, monkeypatch):
    export = expire_lease(start(superuser))
    rescue_one = lifecycle_rescue._rescue

    def renewed_meanwhile(export_id):
        parts.renew(export.pk, export.attempt)
        return rescue_one(export_id)

    monkeypatch.setattr(lifecycle_rescue, "_rescue", renewed_meanwhile)

    assert lifecycle_rescue.rescue() == NOTHING
    assert Export.objects.get().status == Status.RUNNING


def test_export_deleted_during_the_rescue_stops_no_other(superuser, monkeypatch):
    first, second = expire_lease(start(superuser)), expire_lease(start(superuser))
    rescue_one = lifecycle_rescue._rescue

    def deleted_meanwhile(export_id):
        Export.objects.filter(pk=first.pk).delete()
        return rescue_one(export_id)

    monkeypatch.setattr(lifecycle_rescue, "_rescue", deleted_meanwhile)

    assert lifecycle_rescue.rescue()["rescued"] == 1
    second.refresh_from_db()
    assert second.status == Status.QUEUED


# -- Those that wait ----------------------------------------------------------------


def test_queued_exports_are_sent_their_new_positions(superuser, broker):
    first, second, third = (request(superuser, label=str(number)) for number in range(3))
    assert queue_positions.publish_positions() == 0
    attempts.claim(first.pk, worker="w")

    told = queue_positions.publish_positions()

    assert told == 2
    positions = [
        retained(each.owner_stream, each.key)["queue_position"] for each in (second, third)
    ]
    assert positions == [1, 2]
    assert queue_positions.publish_positions() == 0
