"""`manage.py replay_events`: what is persisted is pushed again, and gaps are counted."""

from __future__ import annotations

import pytest

from notifications.models import Event, Stream
from notifications.streams import push, replay
from tests.support.replaying import replay_events, replayed
from tests.support.streaming import append

pytestmark = pytest.mark.django_db(transaction=True)


# -- what it prints and pushes -------------------------------------------------------------------


def test_replay_prints_range_and_counts_for_each_stream(pushed):
    append("user-1", "a", "b", "c")
    append("export-1", "a")
    pushed.clear()

    lines = replay_events()

    assert lines == [
        "export-1: 1 to 1, events 1, gaps 0, pushed 1",
        "user-1: 1 to 3, events 3, gaps 0, pushed 3",
    ]
    assert replayed(pushed) == [("export-1", 1), ("user-1", 1), ("user-1", 2), ("user-1", 3)]


def test_replayed_push_equals_the_first_push(pushed):
    append("user-1", "a", "b")

    replay_events()

    first, again = pushed
    assert first == again


def test_dry_run_counts_and_pushes_nothing(pushed):
    append("user-1", "a", "b")
    pushed.clear()

    lines = replay_events("--dry-run")

    assert lines == ["user-1: 1 to 2, events 2, gaps 0, not pushed (dry run)"]
    assert pushed == []


def test_only_the_named_streams_and_users_are_replayed(pushed, ada):
    for stream in ("user-0", f"user-{ada.pk}", "export-1", "export-2"):
        append(stream, "a")
    pushed.clear()

    replay_events("--stream", "export-2", "--user", "ada")

    assert replayed(pushed) == [("export-2", 1), (f"user-{ada.pk}", 1)]


def test_long_stream_is_replayed_in_several_messages(pushed):
    append("user-1", *["log"] * (replay.BATCH * 2 + 5))
    pushed.clear()

    lines = replay_events()

    assert [len(each["items"]) for _, each in pushed] == [replay.BATCH, replay.BATCH, 5]
    assert lines == ["user-1: 1 to 205, events 205, gaps 0, pushed 205"]


def test_pruned_events_are_no_gap(pushed):
    append("user-1", "a", "b", "c")
    Event.objects.filter(offset__lte=2).delete()
    Stream.objects.update(floor=2)

    assert replay_events() == ["user-1: 3 to 3, events 1, gaps 0, pushed 1"]


def test_fully_pruned_stream_has_nothing_to_replay(pushed):
    append("user-1", "a", "b")
    Event.objects.all().delete()
    Stream.objects.update(floor=2)

    assert replay_events() == ["user-1: nothing, events 0, gaps 0, pushed 0"]


def test_command_without_streams_says_so():
    assert replay_events() == ["No events to replay."]


def test_user_without_events_is_no_error(ada):
    assert replay_events("--user", "ada") == ["No events to replay."]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--stream", "export-9"], "There is no stream export-9."),
        (["--stream", "user-1", "--stream", "export-9"], "There is no stream export-9."),
        (["--user", "nobody"], 'There is no user "nobody".'),
    ],
)
def test_unknown_name_is_an_error_and_nothing_is_pushed(pushed, arguments, complaint):
    append("user-1", "a")
    pushed.clear()

    assert replay_events(*arguments) == [f"! {complaint}"]
    assert pushed == []


# -- gaps and failures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "line"),
    [
        ([1], "user-1: 2 to 5, events 4, gaps 1 (missing 1), pushed 4"),
        ([3], "user-1: 1 to 5, events 4, gaps 1 (missing 3), pushed 4"),
        ([5], "user-1: 1 to 4, events 4, gaps 1 (missing 5), pushed 4"),
        ([1, 3, 4], "user-1: 2 to 5, events 2, gaps 2 (missing 1, 3 to 4), pushed 2"),
        ([1, 2, 3, 4, 5], "user-1: nothing, events 0, gaps 1 (missing 1 to 5), pushed 0"),
    ],
)
def test_missing_row_is_named_and_gives_status_1(pushed, lost, line):
    append("user-1", *"abcde")
    append("user-2", "a")
    Event.objects.filter(stream__name="user-1", offset__in=lost).delete()

    assert replay_events() == [
        line,
        "user-2: 1 to 1, events 1, gaps 0, pushed 1",
        "! 1 of 2 streams have gaps or failed pushes.",
    ]


def test_gap_between_two_batches_is_counted(pushed, monkeypatch):
    monkeypatch.setattr(replay, "BATCH", 2)
    append("user-1", *"abcde")
    Event.objects.filter(offset=3).delete()

    assert replay_events("--dry-run")[0] == (
        "user-1: 1 to 5, events 4, gaps 1 (missing 3), not pushed (dry run)"
    )


def test_failed_push_gives_status_1(valkey):
    append("user-1", "a", "b")
    valkey.kill()

    assert replay_events() == [
        "user-1: 1 to 2, events 2, gaps 0, pushed 0",
        "! 1 of 1 streams have gaps or failed pushes.",
    ]


def test_event_appended_during_a_replay_is_left_to_its_publisher(pushed, monkeypatch):
    append("user-1", "a")
    original = push.push

    def push_while_another_appends(items):
        monkeypatch.setattr(push, "push", original)
        append("user-1", "b")
        return original(items)

    monkeypatch.setattr(push, "push", push_while_another_appends)

    assert replay_events() == ["user-1: 1 to 1, events 1, gaps 0, pushed 1"]


def test_only_the_first_of_many_gaps_are_listed(pushed, monkeypatch):
    monkeypatch.setattr(replay, "MAX_RANGES", 2)
    append("user-1", *"abcdefgh")
    Event.objects.filter(offset__in=[1, 3, 5, 7]).delete()

    assert replay_events()[0] == (
        "user-1: 2 to 8, events 4, gaps 4 (missing 1, 3, and 2 more), pushed 4"
    )


def test_event_pruned_during_a_replay_is_no_gap(pushed, monkeypatch):
    monkeypatch.setattr(replay, "BATCH", 2)
    append("user-1", *"abcdef")
    original = push.push

    def push_while_another_prunes(items):
        monkeypatch.setattr(push, "push", original)
        Event.objects.filter(offset__lte=4).delete()
        Stream.objects.update(floor=4)
        return original(items)

    monkeypatch.setattr(push, "push", push_while_another_prunes)

    assert replay_events() == ["user-1: 1 to 6, events 4, gaps 0, pushed 4"]
