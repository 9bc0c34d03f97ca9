"""Old events go, in small steps; whoever was away for longer is told."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from notifications.models import Event, Retained, Stream
from notifications.streams import backlog, publish
from notifications.streams.prune import prune, prune_old
from tests.support.streaming import append, connected, in_thread, session_of

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
def test_old_items_are_pruned_with_any_batch_size(stream, batch):
    [done] = prune(MONTH_AGO, batch)

    stream.refresh_from_db()
    assert (done.events, done.values, stream.floor) == (6, 1, 6)
    assert offsets() == [7, 8, 9, 10]
    assert [value.key for value in Retained.objects.all()] == ["new"]


def test_old_event_behind_a_younger_one_stays(stream):
    Event.objects.filter(offset=3).update(at=NOW)

    list(prune(MONTH_AGO))

    assert offsets() == [3, 4, 5, 6, 7, 8, 9, 10]


def test_pruned_stream_continues_its_numbers(stream):
    Event.objects.update(at=OLD)

    list(prune(MONTH_AGO))
    with transaction.atomic():
        event = publish.append("user-1", "counted", {"number": 11})

    assert offsets() == [event.offset] == [11]


def test_client_behind_the_pruned_events_gets_a_reset(stream):
    with_first_three = backlog.read("user-1", None, 5).items[-1].position

    list(prune(MONTH_AGO))
    page = backlog.read("user-1", with_first_three)

    assert page.reset == "pruned"
    assert [item.data["number"] for item in page.items if item.kind == "event"] == [7, 8, 9, 10]


def test_client_ahead_of_the_pruned_events_notices_nothing(stream):
    level = backlog.read("user-1", None, 500).end

    list(prune(MONTH_AGO))

    assert backlog.read("user-1", level).reset is None


def test_second_pruning_does_nothing(stream):
    list(prune(MONTH_AGO))

    assert not list(prune(MONTH_AGO))


def test_command_prints_removed_counts(stream, capsys):
    call_command("prune_events")

    assert capsys.readouterr().out == "Removed 6 events and 1 values. Streams kept: 1.\n"


@pytest.mark.parametrize("days", [0, -1, 36_501, 99_999_999_999])
def test_command_refuses_invalid_days(stream, days):
    with pytest.raises(CommandError, match="--days must be from 1 to 36500"):
        call_command("prune_events", days=days)

    assert len(offsets()) == 10


# -- while everything runs -----------------------------------------------------------------------


class Publisher(threading.Thread):
    """Publishes, one transaction after the other, until it is stopped."""

    PAUSE = 0.01  # Between two steps: SQLite's writers take no turns, and each needs a chance.

    def __init__(self, name):
        super().__init__()
        self._name = name
        self._enough = threading.Event()
        self._error = None
        self.seen = OLD  # What was written before that, the client has.
        self.pruned = 0

    def run(self):
        try:
            while not self._enough.wait(self.PAUSE):
                self.step()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            connections.close_all()

    def check(self):
        """Raise what has ended it."""
        if self._error:
            raise self._error

    def step(self):
        with transaction.atomic():
            publish.append(self._name, "counted", {})
            publish.retain(self._name, "k", {})

    def stop(self):
        self._enough.set()
        self.join(60)
        assert not self.is_alive()
        self.check()


class Pruner(Publisher):
    """Removes all that the client has, in the smallest steps."""

    def step(self):
        self.pruned += sum(done.events for done in prune(self.seen, batch=3))


@pytest.mark.proves("pruning-disturbs-no-client")
async def test_clients_and_publishers_continue_during_pruning():
    user = await in_thread(User.objects.create_user, "ada")
    name = f"user-{user.pk}"
    cookie = await in_thread(session_of, user)
    publisher, pruner = Publisher(name), Pruner(name)

    async def prune_until(count):
        """What the client has seen may go."""
        while pruner.pruned < count:
            publisher.check()
            pruner.check()
            pruner.seen = parse_datetime((await live.next())["at"])
            await live.acknowledge()

    async with connected(cookie) as live, connected(cookie) as late:
        await live.subscribe({name: None})
        publisher.start()
        pruner.start()
        try:
            await prune_until(100)
            longest_away = live.frames[2]["cursor"]
            answer = await late.subscribe({name: longest_away})
            await prune_until(200)
        finally:
            await asyncio.to_thread(publisher.stop)
            await asyncio.to_thread(pruner.stop)
        await in_thread(append, name, "last")
        for socket in (live, late):
            while (await socket.next()).get("event") != "last":
                await socket.acknowledge()

    stream = await in_thread(Stream.objects.get)
    # Who was there has everything, and never had to begin anew.
    assert seen(live.frames) == list(range(1, stream.head + 1))
    assert "reset" not in {frame["type"] for frame in live.frames}
    assert max(each.get("revision", 0) for each in live.frames) == stream.revision
    # Who was away is told so, and then has what is left.
    assert not answer["recovered"]
    resets = [n for n, frame in enumerate(late.frames) if frame["type"] == "reset"]
    since = seen(late.frames[resets[-1] :])
    assert late.frames[resets[0]]["reason"] == "pruned"
    assert since == list(range(since[0], stream.head + 1))
    # And no number is missing in the table.
    assert stream.floor == pruner.pruned
    assert await in_thread(offsets) == list(range(stream.floor + 1, stream.head + 1))


def seen(frames):
    return [frame["offset"] for frame in frames if frame["type"] == "event"]


def test_periodic_pruning_affects_streams_of_users_only(stream):
    """The log of an export goes with the export."""
    with transaction.atomic():
        publish.append_many("export-1", [("log", {})])
    Event.objects.filter(stream__name="export-1").update(at=OLD)

    assert prune_old() == 1

    of_person = Event.objects.filter(stream__name="user-1").order_by("offset")
    assert list(of_person.values_list("offset", flat=True)) == [7, 8, 9, 10]
    assert Event.objects.filter(stream__name="export-1").count() == 1
