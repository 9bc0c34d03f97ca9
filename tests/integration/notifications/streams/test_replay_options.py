"""`manage.py replay_events`: from where, which types, how fast, and since when."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications.models import Event, Stream
from notifications.streams.pacing import Pacer
from tests.support.replaying import replay_events, replayed
from tests.support.streaming import append

pytestmark = pytest.mark.django_db(transaction=True)


def age(offset, **delta):
    Event.objects.filter(offset=offset).update(at=timezone.now() - timedelta(**delta))


# -- after ---------------------------------------------------------------------------------------


def test_events_after_a_cursor_are_replayed(pushed):
    append("user-1", "a", "b", "c")
    append("user-2", "a")
    pushed.clear()

    lines = replay_events("--stream", "user-1", "--after", cursor(1))

    assert replayed(pushed) == [("user-1", 2), ("user-1", 3)]
    assert lines == ["user-1: 2 to 3, events 2, gaps 0, pushed 2"]


def test_gap_right_after_the_cursor_is_found(pushed):
    append("user-1", *"abcd")
    Event.objects.filter(offset__in=[1, 3]).delete()

    assert replay_events("--stream", "user-1", "--after", cursor(2))[0] == (
        "user-1: 4 to 4, events 1, gaps 1 (missing 3), pushed 1"
    )


def test_cursor_at_the_end_leaves_nothing_to_replay(pushed):
    append("user-1", "a")

    assert replay_events("--stream", "user-1", "--after", cursor(1)) == [
        "user-1: nothing, events 0, gaps 0, pushed 0"
    ]


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        ("other.2.0", "is not valid for user-1 any more"),
        ("{epoch}.9.0", "is at event 9, but user-1 ends at 5"),
        ("{epoch}.1.0", "of user-1 up to 2 are pruned, but the cursor {epoch}.1.0 is at 1"),
        ("here", '--after: "here" is not a valid cursor'),
    ],
)
def test_unusable_cursor_is_refused_with_a_reason(pushed, after, complaint):
    append("user-1", *"abcde")
    Event.objects.filter(offset__lte=2).delete()
    Stream.objects.update(floor=2)
    epoch = Stream.objects.get().epoch
    pushed.clear()

    (line,) = replay_events("--stream", "user-1", "--after", after.format(epoch=epoch))

    assert complaint.format(epoch=epoch) in line
    assert pushed == []


def cursor(offset):
    """Of user-1."""
    return f"{Stream.objects.get(name='user-1').epoch}.{offset}.0"


# -- which types, how fast, for whom to read -----------------------------------------------------


def test_only_named_types_are_pushed_and_gaps_count_all_types(pushed):
    append("user-1", "log", "log", "done", "log", "failed", "log")
    Event.objects.filter(offset=2).delete()
    pushed.clear()

    lines = replay_events("--type", "done", "--type", "failed")

    assert replayed(pushed) == [("user-1", 3), ("user-1", 5)]
    assert lines[0] == ("user-1: 1 to 6, events 5 (2 of the types), gaps 1 (missing 2), pushed 2")


def test_rate_limits_pushes_in_small_batches(pushed, monkeypatch):
    waited = []
    monkeypatch.setattr(Pacer, "wait", lambda _, count: waited.append(count))
    append("user-1", *["log"] * 12)
    pushed.clear()

    replay_events("--rate", "50")

    assert waited == [len(each["items"]) for _, each in pushed] == [5, 5, 2]


def test_json_output_has_one_object_a_stream(pushed):
    append("user-1", *"abcd")
    append("user-2", "a")
    Event.objects.filter(stream__name="user-1", offset__in=[2, 3]).delete()

    first, second, complaint = replay_events("--json", "--type", "a")

    assert json.loads(first) == {
        "stream": "user-1",
        "first": 1,
        "last": 4,
        "cursor": cursor(4),
        "events": 2,
        "matching": 1,
        "pushed": 1,
        "failed": 0,
        "dry_run": False,
        "gaps": 1,
        "missing": 2,
        "missing_ranges": [[2, 3]],
    }
    assert json.loads(second)["stream"] == "user-2"
    assert complaint == "! 1 of 2 streams have gaps or failed pushes."


def test_json_output_without_streams_is_empty():
    assert replay_events("--json") == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--after", "e.1.0"], "exactly one --stream or --user"),
        (["--after", "e.1.0", "--stream", "a", "--stream", "b"], "exactly one --stream or --user"),
        (["--after", "e.1.0", "--stream", "a", "--user", "b"], "exactly one --stream or --user"),
        (["--after", "e.1.0", "--stream", "a", "--since", "1h"], "--after and --since both set"),
        (["--rate", "10", "--dry-run"], "--rate has no effect with --dry-run"),
        (["--rate", "0"], "--rate must be more than 0"),
        (["--rate", "-1"], "--rate must be more than 0"),
        (["--rate", "nan"], "--rate must be more than 0"),
        (["--rate", "inf"], "--rate must be more than 0"),
    ],
)
def test_contradictory_options_are_refused_by_name(pushed, arguments, complaint):
    append("user-1", "a")
    pushed.clear()

    (line,) = replay_events(*arguments)

    assert complaint in line
    assert pushed == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "yesterday"],
        ["--since", "999999999d"],
        ["--after", "nonsense", "--stream", "user-1"],
        ["--after", "e.1.0"],
        ["--after", "e.1.0", "--stream", "user-1", "--since", "1h"],
        ["--rate", "0"],
        ["--rate", "1", "--dry-run"],
    ],
)
def test_invalid_options_give_status_2(pushed, arguments):
    append("user-1", "a")

    with pytest.raises(CommandError) as error:
        call_command("replay_events", *arguments)

    assert error.value.returncode == 2


# -- since ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "offsets"),
    [("99s", []), ("9999s", [3]), ("99m", [3]), ("9h", [2, 3]), ("1d", [2, 3]), ("9d", [1, 2, 3])],
)
def test_age_replays_younger_events(pushed, since, offsets):
    append("user-1", "a", "b", "c")
    age(1, days=3)
    age(2, hours=4)
    age(3, minutes=10)
    pushed.clear()

    lines = replay_events("--since", since)

    assert [offset for _, offset in replayed(pushed)] == offsets
    assert not lines[-1].startswith("!")


@pytest.mark.parametrize(
    "spelling", ["%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%MZ"]
)
def test_time_replays_later_events(pushed, spelling):
    append("user-1", "a", "b")
    age(1, hours=2)
    pushed.clear()

    replay_events("--since", (timezone.now() - timedelta(hours=1)).strftime(spelling))

    assert replayed(pushed) == [("user-1", 2)]


def test_only_gaps_after_the_time_are_counted(pushed):
    append("user-1", *"abcde")
    for offset in (1, 2, 3):
        age(offset, hours=2)
    Event.objects.filter(offset__in=[2, 4]).delete()

    assert replay_events("--since", "1h") == ["user-1: 5 to 5, events 1, gaps 0, pushed 1"]
    assert replay_events("--since", "3h")[0] == (
        "user-1: 1 to 5, events 3, gaps 2 (missing 2, 4), pushed 3"
    )


def test_slow_clock_of_a_host_makes_no_gap(pushed):
    append("user-1", "a", "b", "c")
    age(1, hours=2)
    age(2, hours=5)
    age(3, hours=1)

    lines = replay_events("--since", "3h")

    assert lines == ["user-1: 1 to 3, events 3, gaps 0, pushed 3"]


def test_age_beyond_the_calendar_is_refused(pushed):
    append("user-1", "a")
    pushed.clear()

    (line,) = replay_events("--since", "999999999d")

    assert '"999999999d" is too long ago' in line
    assert not pushed


@pytest.mark.parametrize(
    "since",
    ["", "yesterday", "15", "15 m", "5w", "2026-13-01", "2026-11-31T10:00"],
)
def test_invalid_time_or_age_is_refused(pushed, since):
    append("user-1", "a")
    pushed.clear()

    (line,) = replay_events("--since", since)

    assert "is neither a time (2026-11-21T10:00:00+00:00) nor an age (15m)" in line
    assert pushed == []
