"""The life of an export: what is asked for, which moves it makes, and who wins a race."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from exports import lifecycle
from exports.exceptions import (
    Fenced,
    IllegalMove,
    InvalidFilter,
    InvalidOption,
    InvalidSelection,
    LostRace,
    NotPermitted,
    RequestError,
    TooManyExports,
    UnknownColumn,
    UnknownExporter,
    UnknownFormat,
)
from exports.lifecycle import attempts, transitions
from exports.models import Export, Part, PartStatus, TaskRun
from exports.status import Status
from notifications.models import Event, Stream
from tests.support import exporting
from tests.support.exporting import events, make_flights, put, request, retained, start

pytestmark = pytest.mark.django_db

# A copy of models.MOVES: a wrong arrow there must fail here.
ALLOWED = {
    ("queued", "running"),
    ("queued", "paused"),
    ("queued", "cancelled"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "pausing"),
    ("running", "cancelling"),
    ("running", "queued"),
    ("pausing", "paused"),
    ("pausing", "cancelling"),
    ("paused", "queued"),
    ("paused", "cancelled"),
    ("cancelling", "cancelled"),
}
REFUSED = {(str(old), str(new)) for old in Status for new in Status} - ALLOWED


# -- Moves --------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), sorted(ALLOWED))
def test_a_drawn_move_is_made_and_told(person, old, new):
    export = put(request(person), old)

    transitions.move(export, Status(new), f"export.{new}")

    assert export.status == new
    assert Export.objects.get().status == new
    for stream in (export.stream, export.owner_stream):
        assert events(stream) == ["export.queued", f"export.{new}"]
        assert events(stream, f"export.{new}")[0]["status"] == new
        assert retained(stream, export.key)["status"] == new


@pytest.mark.parametrize(("old", "new"), sorted(REFUSED))
def test_any_other_move_is_refused_in_words_and_changes_nothing(person, old, new):
    export = put(request(person), old)
    before = list(Export.objects.values())

    with pytest.raises(IllegalMove, match=f"^This export is {old}. It cannot"):
        transitions.move(export, Status(new), "export.moved")

    assert list(Export.objects.values()) == before
    assert events(export.stream) == ["export.queued"]


def test_whoever_looked_before_the_status_changed_loses_the_race(person):
    export = request(person)
    stale = Export.objects.get()
    lifecycle.cancel(export)

    with pytest.raises(LostRace, match="is not queued any more"):
        transitions.move(stale, Status.RUNNING, "export.started")

    assert Export.objects.get().status == Status.CANCELLED
    assert events(export.stream) == ["export.queued", "export.cancelled"]


def test_whoever_holds_an_older_attempt_loses_the_race(person):
    old = start(person)
    put(Export.objects.get(), Status.QUEUED)
    attempts.claim(old.pk, worker="another")

    with pytest.raises(LostRace):
        transitions.move(old, Status.SUCCEEDED, "export.succeeded")

    assert Export.objects.get().status == Status.RUNNING


def test_a_move_that_is_rolled_back_was_never_told(person):
    export = request(person)

    def move_and_fail():
        with transaction.atomic():
            transitions.move(export, Status.CANCELLED, "export.cancelled")
            raise LookupError

    with pytest.raises(LookupError):
        move_and_fail()

    assert Export.objects.get().status == Status.QUEUED
    for stream in (export.stream, export.owner_stream):
        assert events(stream) == ["export.queued"]
        assert retained(stream, export.key)["status"] == "queued"


def test_a_move_whose_event_cannot_be_stored_is_not_made(person, monkeypatch):
    export = request(person)

    def refuse(*_, **__):
        raise LookupError("no room")

    monkeypatch.setattr("notifications.streams.publish.append", refuse)
    with pytest.raises(LookupError):
        lifecycle.cancel(export)

    assert Export.objects.get().status == Status.QUEUED


def test_the_value_of_a_move_comes_before_its_event(person):
    export = request(person)

    lifecycle.cancel(export)

    owners, own = (Stream.objects.get(name=name) for name in (export.owner_stream, export.stream))
    assert (owners.head, owners.revision) == (2, 2)
    assert (own.head, own.revision) == (3, 2)  # Its log says it, too.


def test_the_log_says_who_stopped_it_and_who_let_it_go_on(person):
    export = request(person)

    lifecycle.pause(export, by=person)
    lifecycle.resume(export, by=person)
    lifecycle.cancel(export)

    lines = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    name = person.get_username()
    assert [line.data["message"] for line in lines] == [
        f"Paused by {name}.",
        f"Resumed by {name}.",
        "Cancelled.",
    ]


# -- Claims -------------------------------------------------------------------------


def test_a_claim_takes_the_next_attempt_and_a_lease(person):
    export = attempts.claim(request(person).pk, worker="worker-1", task_id="task-1")

    assert (export.status, export.stage) == (Status.RUNNING, "counting")
    assert (export.attempt, export.worker) == (1, "worker-1")
    assert export.lease_expires_at > datetime.now(UTC)
    assert export.started_at is not None
    run = TaskRun.objects.get()
    assert (run.export_id, run.task_id, run.attempt) == (export.pk, "task-1", 1)
    assert events(export.owner_stream) == ["export.queued", "export.started"]


def test_a_second_worker_loses_the_claim(person):
    export = request(person)
    attempts.claim(export.pk, worker="first")

    with pytest.raises(LostRace, match="does not wait for a worker"):
        attempts.claim(export.pk, worker="second")

    assert Export.objects.get().worker == "first"
    assert Export.objects.get().attempt == 1


def test_a_task_of_an_export_that_is_not_there_does_nothing():
    with pytest.raises(LostRace):
        attempts.claim("6458b5bf-0000-4000-8000-000000000001", worker="first")


def test_each_claim_raises_the_attempt_and_keeps_the_first_start(person):
    first = start(person)
    attempts.hand_over(first)

    second = attempts.claim(first.pk, worker="another")

    assert (second.attempt, second.handovers) == (2, 1)
    assert second.started_at == Export.objects.get().started_at
    assert (
        events(first.stream, "export.started")[0]["started_at"]
        == (events(first.stream, "export.started")[1]["started_at"])
    )


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_that_claim_at_once_one_gets_it(person):
    export = request(person)
    barrier = threading.Barrier(4)
    outcomes = []

    def claim(name):
        barrier.wait()
        try:
            outcomes.append(attempts.claim(export.pk, worker=name).worker)
        except LostRace:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=[f"worker-{n}"]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winner = Export.objects.get()
    assert sorted(outcomes, key=str) == sorted([winner.worker, None, None, None], key=str)
    assert winner.attempt == 1
    assert events(export.stream) == ["export.queued", "export.started"]


# -- Requests -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "field", "message"),
    [
        ({"exporter": "fligths"}, UnknownExporter, "exporter", 'no exporter "fligths".*flights'),
        ({"exporter": ""}, UnknownExporter, "exporter", "There are: "),
        ({"format": "pdf"}, UnknownFormat, "format", 'no format "pdf". There are: csv, jsonl'),
        ({"columns": ["id", "price"]}, UnknownColumn, "columns", 'no column "price". It has: id,'),
        ({"columns": []}, UnknownColumn, "columns", "at least one"),
        ({"columns": ["id", "id"]}, UnknownColumn, "columns", "once"),
        ({"filters": {"carier": "UA"}}, InvalidFilter, "filters", 'no filter "carier".*carrier'),
        ({"filters": {"month": 13}}, InvalidFilter, "filters", '"month" is not valid'),
        ({"filters": {"carrier": "XX"}}, InvalidFilter, "filters", '"carrier" is not valid'),
        ({"changelist": {"model": "demo.fligth"}}, InvalidSelection, "changelist", "demo.fligth"),
        ({"changelist": {"model": "demo.plane"}}, InvalidSelection, "changelist", "demo.Plane"),
        ({"options": {"colour": "red"}}, InvalidOption, "options", "It has: delimiter"),
        ({"format": "parquet", "options": {"gzip": True}}, InvalidOption, "options", "none"),
        ({"changelist": {}}, InvalidSelection, "changelist", "app.model"),
        (
            {"changelist": {"model": "demo.flight", "query": "carrier__nam=UA"}},
            InvalidSelection,
            "changelist",
            "filters cannot be read",
        ),
        (
            {"changelist": {"model": "demo.flight", "keys": ["one"]}},
            InvalidSelection,
            "changelist",
            "primary keys",
        ),
        (
            {"changelist": {"model": "demo.flight", "keys": "12"}},
            InvalidSelection,
            "changelist",
            "primary keys",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_its_field(person, asked, error, field, message):
    with pytest.raises(RequestError, match=message) as raised:
        request(person, **asked)

    assert type(raised.value) is error
    assert raised.value.field == field
    assert not Export.objects.exists()
    assert not Event.objects.exists()


def test_exporter_that_a_user_may_not_run_is_as_unknown_as_any_other(somebody):
    said = []
    for name in ("planes", "plains"):
        with pytest.raises(UnknownExporter) as raised:
            lifecycle.request(user=somebody, exporter=name)
        said.append(str(raised.value).replace(name, "x"))

    assert len(set(said)) == 1

    assert not Export.objects.exists()


def test_who_may_not_see_the_list_may_not_export_from_it(somebody):
    with pytest.raises(NotPermitted, match="You may not view flights"):
        request(somebody, changelist={"model": "demo.flight", "query": ""})


def test_a_request_is_saved_as_it_was_asked(somebody):
    export = lifecycle.request(
        user=somebody,
        exporter="flights",
        format="jsonl",
        columns=["id", "delay"],
        filters={"month": 1},
        label="  In January ",
        options={"gzip": True},
    )

    export.refresh_from_db()
    assert export.owner == somebody
    assert (export.exporter, export.format, export.label) == ("flights", "jsonl", "In January")
    assert export.params == {"columns": ["id", "delay"], "filters": {"month": 1}}
    assert (export.options, export.origin) == ({"gzip": True}, None)
    assert (export.status, export.attempt, export.rows_total) == (Status.QUEUED, 0, None)
    assert events(export.owner_stream) == ["export.queued"]


def test_without_a_label_an_export_is_called_after_its_exporter(somebody):
    assert lifecycle.request(user=somebody, exporter="flights", label=" ").label == "Flights"


def test_a_label_that_is_too_long_is_cut(somebody):
    assert len(request(somebody, label="x" * 300).label) == 200


@pytest.mark.parametrize("filters", [None, {"month": 1, "dep_delay_min": 10, "carrier": "UA"}])
def test_a_request_counts_and_reads_no_rows(person, filters):
    make_flights([1, 2, 3])

    with CaptureQueriesContext(connection) as queries:
        request(person, filters=filters)

    assert [each["sql"] for each in queries if '"demo_flight"' in each["sql"]] == []


def test_a_request_from_a_change_list_counts_nothing(person):
    make_flights([1, 2, 3])

    with CaptureQueriesContext(connection) as queries:
        request(person, changelist={"model": "demo.flight", "query": "q=N1&carrier=UA"})

    read = [each["sql"] for each in queries if '"demo_flight"' in each["sql"]]
    assert [sql for sql in read if "COUNT(" in sql.upper()] == []
    # The list offers only origins that have flights: it asks for them, once.
    assert len(read) <= 1


def test_the_broker_is_told_after_the_commit_and_not_before(
    person, enqueued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        export = request(person)
        assert enqueued == []

    assert enqueued == [export.pk]


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_rolled_back_is_not_enqueued(person, enqueued):
    def request_and_fail():
        with transaction.atomic():
            request(person)
            raise LookupError

    with pytest.raises(LookupError):
        request_and_fail()

    assert enqueued == []
    assert not Export.objects.exists()


# -- What people ask for ------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "after", "said"),
    [
        ("queued", "cancelled", ["export.cancelled"]),
        ("running", "cancelling", ["export.cancelling"]),
        ("pausing", "cancelling", ["export.cancelling"]),
        ("paused", "cancelled", ["export.cancelled"]),
        ("cancelling", "cancelling", []),
    ],
)
def test_cancel(person, status, after, said):
    export = put(request(person), status)

    lifecycle.cancel(export)

    assert export.status == after
    assert events(export.stream)[1:] == said
    assert (export.finished_at is not None) == (after == "cancelled")


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_what_is_over_cannot_be_cancelled(person, status):
    export = put(request(person), status)

    with pytest.raises(IllegalMove, match=f"This export is {status}. It cannot be cancelled"):
        lifecycle.cancel(export)

    assert Export.objects.get().status == status


@pytest.mark.parametrize(
    ("status", "after", "said"),
    [
        ("queued", "paused", ["export.paused"]),
        ("running", "pausing", ["export.pausing"]),
        ("pausing", "pausing", []),
        ("paused", "paused", []),
    ],
)
def test_pause(person, status, after, said):
    export = put(request(person), status)

    lifecycle.pause(export)

    assert export.status == after
    assert events(export.stream)[1:] == said


@pytest.mark.parametrize("status", ["cancelling", "succeeded", "failed", "cancelled"])
def test_what_ends_or_is_over_cannot_be_paused(person, status):
    export = put(request(person), status)

    with pytest.raises(IllegalMove, match=f"This export is {status}. It cannot be paused"):
        lifecycle.pause(export)

    assert Export.objects.get().status == status


def test_what_is_paused_can_be_resumed_and_is_enqueued_again(
    person, enqueued, django_capture_on_commit_callbacks
):
    export = put(request(person), "paused")

    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.resume(export)

    assert export.status == Status.QUEUED
    assert enqueued == [export.pk]
    assert events(export.stream) == ["export.queued", "export.queued"]


def test_what_is_resumed_waits_behind_those_that_wait_already(person):
    paused = put(request(person), "paused")
    waits = request(person)

    lifecycle.resume(paused)

    assert paused.queued_at > waits.queued_at


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PAUSED}))
def test_what_is_not_paused_cannot_be_resumed(person, status):
    export = put(request(person), status)

    with pytest.raises(IllegalMove, match=f"This export is {status}. .*resumed"):
        lifecycle.resume(export)

    assert Export.objects.get().status == status
    assert events(export.stream) == ["export.queued"]


def test_people_may_ask_with_an_object_that_they_read_long_ago(person):
    export = request(person)
    stale = Export.objects.get()
    attempts.claim(export.pk, worker="worker-1")

    lifecycle.cancel(stale)

    assert stale.status == Status.CANCELLING


# -- Asking again -------------------------------------------------------------------


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
def test_what_is_over_is_asked_again_as_it_was_asked(
    somebody, enqueued, django_capture_on_commit_callbacks, repeat, status
):
    team = Group.objects.create(name="Analysts")
    somebody.groups.add(team)
    origin = put(request(somebody, team=team.pk, **EVERYTHING), status, error="The disk is full.")

    with django_capture_on_commit_callbacks(execute=True):
        export, is_new = repeat(origin, by=somebody)

    assert is_new
    assert export.origin == origin
    assert (export.owner, export.team, export.exporter) == (somebody, team, "flights")
    assert (export.format, export.options, export.label) == (
        "csv",
        {"delimiter": ";"},
        "In January",
    )
    assert export.params == {"columns": ["id", "delay"], "filters": {"month": 1}}
    assert (export.status, export.attempt, export.error) == (Status.QUEUED, 0, "")
    assert enqueued == [export.pk]
    assert exporting.log(export) == [f"Repeats the export {origin.pk}, as asked by somebody."]
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
def test_what_cannot_be_asked_again_is_refused_with_what_would_be_right(person, repeat, status):
    export = put(request(person), status)

    with pytest.raises(IllegalMove) as refused:
        repeat(export, by=person)

    right = (
        "Only a failed or cancelled one can be retried; one that has succeeded can be run again."
    )
    if repeat == lifecycle.run_again:
        right = "Only one that has succeeded can be run again; a failed or cancelled one can be retried."
    assert str(refused.value) == f"This export is {status}. {right}"
    assert Export.objects.count() == 1


def test_whoever_asks_again_twice_gets_one(person):
    origin = put(request(person), Status.FAILED)

    first, second = lifecycle.retry(origin, by=person), lifecycle.retry(origin, by=person)

    assert second == (first[0], False)
    assert list(origin.repetitions.all()) == [first[0]]


def test_a_retry_of_what_is_under_way_again_is_that_one(person):
    origin = put(request(person, label="A"), Status.FAILED)
    under_way = request(person, label="A")

    assert lifecycle.retry(origin, by=person) == (under_way, False)
    assert under_way.origin is None


def test_a_retry_counts_as_any_request(person, settings):
    settings.EXPORTS_MAX_ACTIVE = 1
    origin = put(request(person), Status.FAILED)
    request(person)

    with pytest.raises(TooManyExports, match=r"^You have 1 of at most 1 exports"):
        lifecycle.retry(origin, by=person)


def test_the_owners_permission_is_asked_again_whoever_retries(person, somebody):
    origin = put(request(somebody), Status.FAILED)
    somebody.user_permissions.clear()
    origin = Export.objects.get(pk=origin.pk)

    with pytest.raises(NotPermitted, match=r"^somebody would be told: You may not export"):
        lifecycle.retry(origin, by=person)

    assert Export.objects.count() == 1


def test_an_administrators_retry_is_the_owners_export(person, somebody):
    origin = put(request(somebody), Status.FAILED)

    export, _ = lifecycle.retry(origin, by=person)

    assert export.owner == somebody
    assert exporting.log(export) == [f"Repeats the export {origin.pk}, as asked by person."]


def test_a_retry_without_its_origin_goes_on(person):
    origin = put(request(person), Status.FAILED)
    export, _ = lifecycle.retry(origin, by=person)

    origin.delete()

    export.refresh_from_db()
    assert (export.status, export.origin) == (Status.QUEUED, None)


def test_a_retry_with_an_object_that_was_read_long_ago_sees_what_is_so_now(person):
    export = request(person)
    stale = Export.objects.get()
    put(export, Status.FAILED)

    assert lifecycle.retry(stale, by=person)[1]


# -- What workers report ------------------------------------------------------------


@pytest.mark.parametrize(("asked", "rest"), [("pausing", "paused"), ("cancelling", "cancelled")])
def test_a_worker_that_notices_brings_it_to_rest(person, asked, rest):
    export = start(person)
    put(Export.objects.get(), asked)

    attempts.settle(export, lines=[{"level": "INFO", "message": "Bye.", "logger": "x"}])

    assert (export.status, export.lease_expires_at) == (rest, None)
    assert (export.stage, export.rate) == ("", None)
    assert exporting.log(export) == ["Bye."]
    assert events(export.stream)[-1] == f"export.{rest}"


def test_at_rest_its_parts_are_free_for_whoever_resumes_it(person):
    export = start(person)
    done = Part.objects.create(
        export=export,
        number=1,
        upto_key="1",
        rows=10,
        status=PartStatus.DONE,
        rows_done=10,
        bytes=5,
    )
    Part.objects.create(
        export=export,
        number=2,
        upto_key="2",
        rows=10,
        status=PartStatus.CLAIMED,
        rows_done=7,
        bytes=3,
        lease_expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )
    put(Export.objects.get(), "pausing", rows_done=17, bytes=8)

    attempts.settle(export)

    assert list(export.parts.values_list("number", "status", "lease_expires_at")) == [
        (1, "done", None),
        (2, "open", None),
    ]
    assert (export.rows_done, export.bytes) == (done.rows_done, done.bytes)


def test_pausing_does_not_count_as_a_worker_that_died(person):
    export = start(person)
    put(Export.objects.get(), "pausing")

    attempts.settle(export)

    assert (export.attempt, export.handovers) == (1, 1)


@pytest.mark.parametrize("status", ["queued", "paused", "cancelled", "failed", "succeeded"])
def test_a_worker_whose_export_is_elsewhere_is_fenced(person, status):
    export = start(person)
    put(Export.objects.get(), status)

    with pytest.raises(Fenced):
        attempts.settle(export)

    assert Export.objects.get().status == status


def test_a_file_that_is_finished_as_somebody_cancels_does_not_undo_the_cancel(person):
    export = start(person)
    lifecycle.cancel(Export.objects.get())

    attempts.succeed(export, file="a", bytes=1, sha256="b")

    assert export.status == Status.CANCELLED
    assert (export.file, events(export.stream)[-1]) == ("", "export.cancelled")


@pytest.mark.parametrize("end", [attempts.succeed, lambda export: attempts.fail(export, "x")])
def test_a_fenced_worker_ends_nothing(person, end):
    export = start(person)
    put(Export.objects.get(), Status.QUEUED)
    attempts.claim(export.pk, worker="another")

    with pytest.raises(Fenced):
        end(export)

    assert (Export.objects.get().status, Export.objects.get().worker) == ("running", "another")


def test_an_orderly_hand_over_puts_it_back_with_its_finished_parts(
    person, enqueued, django_capture_on_commit_callbacks
):
    export = start(person)
    Part.objects.create(
        export=export,
        number=1,
        upto_key="1",
        rows=10,
        status=PartStatus.DONE,
        rows_done=10,
        bytes=5,
    )
    mine, anothers = (
        Part.objects.create(
            export=export,
            number=number,
            upto_key=str(number),
            rows=10,
            status=PartStatus.CLAIMED,
            rows_done=7,
            by_helper=number == 3,
        )
        for number in (2, 3)
    )
    put(export, "running", rows_done=24, rate=5.0)

    with django_capture_on_commit_callbacks(execute=True):
        attempts.hand_over(export, [mine])

    assert enqueued == [export.pk]
    assert (export.status, export.handovers, export.lease_expires_at) == ("queued", 1, None)
    assert (export.rows_done, export.bytes, export.rate) == (17, 5, None)
    assert list(export.parts.values_list("status", flat=True)) == ["done", "open", "claimed"]
    anothers.refresh_from_db()
    assert anothers.rows_done == 7


@pytest.mark.parametrize(("asked", "rest"), [("pausing", "paused"), ("cancelling", "cancelled")])
def test_a_worker_that_shuts_down_as_somebody_asks_does_what_was_asked(person, asked, rest):
    export = start(person)
    put(Export.objects.get(), asked)

    attempts.hand_over(export)

    assert Export.objects.get().status == rest


def test_a_failure_says_why(person):
    export = start(person)

    attempts.fail(export, "The disk is full.")

    assert (export.status, export.error) == ("failed", "The disk is full.")
    assert export.finished_at is not None
    assert export.lease_expires_at is None
    assert events(export.owner_stream, "export.failed")[0]["error"] == "The disk is full."
