"""Old events go, in small steps; whoever was away for longer is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from notifications import backlog, publish
from notifications.models import Event, Retained, Stream
from notifications.prune import prune

pytestmark = pytest.mark.django_db(transaction=True)

NOW = timezone.now()
OLD = NOW - timedelta(days=40)
MONTH_AGO = NOW - timedelta(days=30)


@pytest.fixture
def stream():
    """Ten events, the first six of them old; one old value and one new."""
    with transaction.atomic():
        publish.append_many("user-1", [("counted", {"number": n}) for n in range(1, 11)])
        publish.retain("user-1", "old", {})
        publish.retain("user-1", "new", {})
    Event.objects.filter(offset__lte=6).update(at=OLD)
    Retained.objects.filter(key="old").update(at=OLD)
    return Stream.objects.get()


def offsets():
    return list(Event.objects.order_by("offset").values_list("offset", flat=True))


@pytest.mark.parametrize("batch", [1, 4, 1_000])
def test_what_is_older_goes_whatever_the_step(stream, batch):
    [done] = prune(MONTH_AGO, batch)

    stream.refresh_from_db()
    assert (done.events, done.values, stream.floor) == (6, 1, 6)
    assert offsets() == [7, 8, 9, 10]
    assert [value.key for value in Retained.objects.all()] == ["new"]


def test_an_old_event_behind_a_younger_one_stays(stream):
    Event.objects.filter(offset=3).update(at=NOW)

    list(prune(MONTH_AGO))

    assert offsets() == [3, 4, 5, 6, 7, 8, 9, 10]


def test_a_stream_that_is_all_old_keeps_its_numbers(stream):
    Event.objects.update(at=OLD)

    list(prune(MONTH_AGO))
    with transaction.atomic():
        event = publish.append("user-1", "counted", {"number": 11})

    assert offsets() == [event.offset] == [11]


def test_who_was_away_for_longer_is_told_and_then_has_what_is_left(stream):
    with_first_three = backlog.read("user-1", None, 5).items[-1].position

    list(prune(MONTH_AGO))
    page = backlog.read("user-1", with_first_three)

    assert page.reset == "pruned"
    assert [item.data["number"] for item in page.items if item.kind == "event"] == [7, 8, 9, 10]


def test_who_has_what_is_gone_notices_nothing(stream):
    level = backlog.read("user-1", None, 500).end

    list(prune(MONTH_AGO))

    assert backlog.read("user-1", level).reset is None


def test_pruning_twice_does_nothing_the_second_time(stream):
    list(prune(MONTH_AGO))

    assert not list(prune(MONTH_AGO))


def test_the_command_says_what_it_removed(stream, capsys):
    call_command("prune_events")

    assert capsys.readouterr().out == "Removed 6 events and 1 values. Streams: 1.\n"


def test_the_command_refuses_to_keep_nothing(stream):
    with pytest.raises(CommandError, match="--days must be 1 or more"):
        call_command("prune_events", days=0)

    assert len(offsets()) == 10
