"""The moves of an export: which there are, who is told of them, and who wins a race."""

from __future__ import annotations

import pytest
from django.db import transaction

from exports import lifecycle
from exports.exceptions import IllegalMove, LostRace
from exports.lifecycle import attempts, transitions
from exports.models import Export
from exports.status import Status
from notifications.models import Event, Stream
from tests.support.exporting import events, force_status, request, retained, start

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


@pytest.mark.parametrize(("old", "new"), sorted(ALLOWED))
def test_allowed_move_is_made_and_announced(superuser, old, new):
    export = force_status(request(superuser), old)

    transitions.move(export, Status(new))

    assert export.status == new
    assert Export.objects.get().status == new
    for stream in (export.stream, export.owner_stream):
        assert events(stream) == ["export.queued", f"export.{new}"]
        assert events(stream, f"export.{new}")[0]["status"] == new
        assert retained(stream, export.key)["status"] == new


@pytest.mark.proves("only-drawn-moves")
@pytest.mark.parametrize(("old", "new"), sorted(REFUSED))
def test_illegal_move_is_refused_and_changes_nothing(superuser, old, new):
    export = force_status(request(superuser), old)
    before = list(Export.objects.values())

    with pytest.raises(IllegalMove, match=f"^This export is {old}. It can no longer"):
        transitions.move(export, Status(new))

    assert list(Export.objects.values()) == before
    assert events(export.stream) == ["export.queued"]


def test_move_from_a_stale_status_loses_the_race(superuser):
    export = request(superuser)
    stale = Export.objects.get()
    lifecycle.cancel(export)

    with pytest.raises(LostRace, match="is not queued any more"):
        transitions.move(stale, Status.RUNNING)

    assert Export.objects.get().status == Status.CANCELLED
    assert events(export.stream) == ["export.queued", "export.cancelled"]


def test_move_of_an_older_attempt_loses_the_race(superuser):
    old = start(superuser)
    force_status(Export.objects.get(), Status.QUEUED)
    attempts.claim(old.pk, worker="another")

    with pytest.raises(LostRace):
        transitions.move(old, Status.SUCCEEDED)

    assert Export.objects.get().status == Status.RUNNING


@pytest.mark.proves("status-and-event-are-atomic")
def test_rolled_back_move_is_never_announced(superuser):
    export = request(superuser)

    def move_and_fail():
        with transaction.atomic():
            transitions.move(export, Status.CANCELLED)
            raise LookupError

    with pytest.raises(LookupError):
        move_and_fail()

    assert Export.objects.get().status == Status.QUEUED
    for stream in (export.stream, export.owner_stream):
        assert events(stream) == ["export.queued"]
        assert retained(stream, export.key)["status"] == "queued"


@pytest.mark.proves("status-and-event-are-atomic")
def test_move_is_not_made_if_its_event_cannot_be_stored(superuser, monkeypatch):
    export = request(superuser)

    def refuse(*_, **__):
        raise LookupError("no room")

    monkeypatch.setattr("notifications.streams.publish.append", refuse)
    with pytest.raises(LookupError):
        lifecycle.cancel(export)

    assert Export.objects.get().status == Status.QUEUED


def test_retained_value_of_a_move_precedes_its_event(superuser):
    export = request(superuser)

    lifecycle.cancel(export)

    owners, own = (Stream.objects.get(name=name) for name in (export.owner_stream, export.stream))
    assert (owners.head, owners.revision) == (2, 2)
    assert (own.head, own.revision) == (3, 2)  # Its log says it, too.


def test_log_names_users_who_stopped_and_resumed_the_export(superuser):
    export = request(superuser)

    lifecycle.pause(export, by=superuser)
    lifecycle.resume(export, by=superuser)
    lifecycle.cancel(export)

    lines = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    name = superuser.get_username()
    assert [line.data["message"] for line in lines] == [
        f"Paused by {name}.",
        f"Resumed by {name}.",
        "Cancelled.",
    ]
