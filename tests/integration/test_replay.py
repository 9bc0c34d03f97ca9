"""`manage.py replay_events`: what is persisted is pushed again, and counted on the way."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications import hub, push, replay
from notifications.models import Event, Stream
from tests.streaming import append, connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    return User.objects.create_user("ada")


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch):
    monkeypatch.setattr(push, "_rest_until", 0.0)


@pytest.fixture
def pushed(monkeypatch):
    """The messages that were pushed, instead of sending them."""
    outgoing = []

    async def keep(messages):
        outgoing.extend(messages.values())

    monkeypatch.setattr(push, "_send", keep)
    return outgoing


def replay_events(*arguments):
    """The lines that the command prints, and the error that makes its exit status 1."""
    out = StringIO()
    try:
        call_command("replay_events", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return [*out.getvalue().splitlines(), f"! {error}"]
    return out.getvalue().splitlines()


def replayed(pushed):
    return [(each["stream"], item["offset"]) for each in pushed for item in each["items"]]


def age(offset, **delta):
    Event.objects.filter(offset=offset).update(at=timezone.now() - timedelta(**delta))


# -- what it prints and pushes ---------------------------------------------------------------


def test_each_stream_is_replayed_with_its_range_and_counts(pushed):
    append("user-1", "a", "b", "c")
    append("export-1", "a")
    pushed.clear()

    lines = replay_events()

    assert lines == [
        "export-1: 1 to 1, events 1, gaps 0, pushed 1",
        "user-1: 1 to 3, events 3, gaps 0, pushed 3",
    ]
    assert replayed(pushed) == [("export-1", 1), ("user-1", 1), ("user-1", 2), ("user-1", 3)]


def test_what_is_pushed_again_is_what_was_pushed_at_first(pushed):
    append("user-1", "a", "b")

    replay_events()

    first, again = pushed
    assert first == again


def test_a_dry_run_counts_and_pushes_nothing(pushed):
    append("user-1", "a", "b")
    pushed.clear()

    lines = replay_events("--dry-run")

    assert lines == ["user-1: 1 to 2, events 2, gaps 0, not pushed (dry run)"]
    assert pushed == []


def test_only_the_named_streams_and_users_are_replayed(pushed, user):
    for stream in ("user-0", f"user-{user.pk}", "export-1", "export-2"):
        append(stream, "a")
    pushed.clear()

    replay_events("--stream", "export-2", "--user", "ada")

    assert replayed(pushed) == [("export-2", 1), (f"user-{user.pk}", 1)]


def test_a_long_stream_goes_out_in_several_messages(pushed):
    append("user-1", *["log"] * (replay.BATCH * 2 + 5))
    pushed.clear()

    lines = replay_events()

    assert [len(each["items"]) for each in pushed] == [replay.BATCH, replay.BATCH, 5]
    assert lines == ["user-1: 1 to 205, events 205, gaps 0, pushed 205"]


def test_what_pruning_has_removed_is_no_gap(pushed):
    append("user-1", "a", "b", "c")
    Event.objects.filter(offset__lte=2).delete()
    Stream.objects.update(floor=2)

    assert replay_events() == ["user-1: 3 to 3, events 1, gaps 0, pushed 1"]


def test_a_stream_of_which_all_is_pruned_has_nothing_to_replay(pushed):
    append("user-1", "a", "b")
    Event.objects.all().delete()
    Stream.objects.update(floor=2)

    assert replay_events() == ["user-1: nothing, events 0, gaps 0, pushed 0"]


def test_without_any_stream_it_says_so():
    assert replay_events() == ["There is nothing to replay."]


def test_a_user_to_whom_nothing_has_happened_is_no_mistake(user):
    assert replay_events("--user", "ada") == ["There is nothing to replay."]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--stream", "export-9"], "There is no stream export-9."),
        (["--stream", "user-1", "--stream", "export-9"], "There is no stream export-9."),
        (["--user", "nobody"], 'There is no user "nobody".'),
    ],
)
def test_a_name_that_is_not_there_is_an_error_and_nothing_is_pushed(pushed, arguments, complaint):
    append("user-1", "a")
    pushed.clear()

    assert replay_events(*arguments) == [f"! {complaint}"]
    assert pushed == []


# -- gaps and failures -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "line"),
    [
        ([1], "user-1: 2 to 5, events 4, gaps 1, pushed 4"),
        ([3], "user-1: 1 to 5, events 4, gaps 1, pushed 4"),
        ([5], "user-1: 1 to 4, events 4, gaps 1, pushed 4"),
        ([1, 3, 4], "user-1: 2 to 5, events 2, gaps 3, pushed 2"),
        ([1, 2, 3, 4, 5], "user-1: nothing, events 0, gaps 5, pushed 0"),
    ],
)
def test_a_row_that_is_missing_is_counted_and_the_exit_status_is_1(pushed, lost, line):
    append("user-1", *"abcde")
    append("user-2", "a")
    Event.objects.filter(stream__name="user-1", offset__in=lost).delete()

    assert replay_events() == [
        line,
        "user-2: 1 to 1, events 1, gaps 0, pushed 1",
        "! 1 of 2 streams have gaps or failed pushes.",
    ]


def test_a_gap_between_two_batches_is_counted(pushed, monkeypatch):
    monkeypatch.setattr(replay, "BATCH", 2)
    append("user-1", *"abcde")
    Event.objects.filter(offset=3).delete()

    assert replay_events("--dry-run")[0] == (
        "user-1: 1 to 5, events 4, gaps 1, not pushed (dry run)"
    )


def test_a_push_that_fails_makes_the_exit_status_1(valkey):
    append("user-1", "a", "b")
    valkey.kill()

    assert replay_events() == [
        "user-1: 1 to 2, events 2, gaps 0, pushed 0",
        "! 1 of 1 streams have gaps or failed pushes.",
    ]


def test_what_is_appended_during_a_replay_is_no_gap(pushed, monkeypatch):
    append("user-1", "a")
    original = push.push

    def push_while_another_appends(items):
        monkeypatch.setattr(push, "push", original)
        append("user-1", "b")
        return original(items)

    monkeypatch.setattr(push, "push", push_while_another_appends)

    assert replay_events() == ["user-1: 1 to 2, events 2, gaps 0, pushed 2"]


# -- since -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "offsets"),
    [("59s", []), ("90s", [3]), ("2m", [3]), ("2h", [2, 3]), ("1d", [2, 3]), ("9d", [1, 2, 3])],
)
def test_an_age_replays_what_is_younger(pushed, since, offsets):
    append("user-1", "a", "b", "c")
    age(1, days=3)
    age(2, hours=1)
    age(3, seconds=65)
    pushed.clear()

    lines = replay_events("--since", since)

    assert [offset for _, offset in replayed(pushed)] == offsets
    assert not lines[-1].startswith("!")


@pytest.mark.parametrize(
    "spelling", ["%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%MZ"]
)
def test_a_time_replays_what_came_after_it(pushed, spelling):
    append("user-1", "a", "b")
    age(1, hours=2)
    pushed.clear()

    replay_events("--since", (timezone.now() - timedelta(hours=1)).strftime(spelling))

    assert replayed(pushed) == [("user-1", 2)]


def test_a_gap_before_the_time_is_not_counted_and_one_after_it_is(pushed):
    append("user-1", *"abcde")
    for offset in (1, 2, 3):
        age(offset, hours=2)
    Event.objects.filter(offset__in=[2, 4]).delete()

    assert replay_events("--since", "1h")[0] == "user-1: 5 to 5, events 1, gaps 0, pushed 1"
    assert replay_events("--since", "3h")[0] == "user-1: 1 to 5, events 3, gaps 2, pushed 3"


def test_a_host_whose_clock_is_behind_makes_no_gap(pushed):
    append("user-1", "a", "b", "c")
    age(1, minutes=2)
    age(2, minutes=5)
    age(3, minutes=1)

    lines = replay_events("--since", "3m")

    assert lines == ["user-1: 1 to 3, events 3, gaps 0, pushed 3"]


@pytest.mark.parametrize(
    "since",
    ["", "yesterday", "15", "15 m", "5w", "2026-13-01", "2026-11-31T10:00", "9" * 30 + "d"],
)
def test_what_is_neither_a_time_nor_an_age_is_refused(pushed, since):
    append("user-1", "a")
    pushed.clear()

    (line,) = replay_events("--since", since)

    assert "is neither a time (2026-11-21T10:00:00+00:00) nor an age (15m)" in line
    assert pushed == []


# -- clients -----------------------------------------------------------------------------------


async def test_a_connected_client_that_missed_a_push_is_filled_in(user, settings, monkeypatch):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0  # No sweep will help it.
    name = f"user-{user.pk}"
    async with connected(await in_thread(session_of, user)) as socket:
        await socket.subscribe({name: None})
        with monkeypatch.context() as patch:
            patch.setattr(push, "push", lambda items: False)
            await in_thread(append, name, "missed", "missed too")

        await in_thread(replay_events)

        assert await socket.events_until("missed too") == ["missed", "missed too"]


async def test_a_client_that_has_everything_sees_nothing_twice(user, settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0
    name = f"user-{user.pk}"
    async with connected(await in_thread(session_of, user)) as socket:
        await socket.subscribe({name: None})
        await in_thread(append, name, "a", "b")
        await socket.events_until("b")

        await in_thread(replay_events)
        await in_thread(replay_events)
        await in_thread(append, name, "last")

        assert await socket.events_until("last") == ["last"]
        assert hub.current().counters["received"] == 4
