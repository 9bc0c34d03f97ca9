"""`manage.py replay_events`: what is persisted is pushed again, and counted on the way."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications.delivery import hub
from notifications.models import Event, Stream, new_epoch
from notifications.streams import push, replay
from notifications.streams.pacing import Pacer
from tests.services.processes import ROOT
from tests.support.streaming import append, connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


def replay_events(*arguments):
    """The lines that the command prints, and the error that makes its exit status 1."""
    out = StringIO()
    try:
        call_command("replay_events", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return [*out.getvalue().splitlines(), f"! {error}"]
    return out.getvalue().splitlines()


def replayed(pushed):
    return [(each["stream"], item["offset"]) for _, each in pushed for item in each["items"]]


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


def test_only_the_named_streams_and_users_are_replayed(pushed, ada):
    for stream in ("user-0", f"user-{ada.pk}", "export-1", "export-2"):
        append(stream, "a")
    pushed.clear()

    replay_events("--stream", "export-2", "--user", "ada")

    assert replayed(pushed) == [("export-2", 1), (f"user-{ada.pk}", 1)]


def test_a_long_stream_goes_out_in_several_messages(pushed):
    append("user-1", *["log"] * (replay.BATCH * 2 + 5))
    pushed.clear()

    lines = replay_events()

    assert [len(each["items"]) for _, each in pushed] == [replay.BATCH, replay.BATCH, 5]
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


def test_a_user_to_whom_nothing_has_happened_is_no_mistake(ada):
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
        ([1], "user-1: 2 to 5, events 4, gaps 1 (missing 1), pushed 4"),
        ([3], "user-1: 1 to 5, events 4, gaps 1 (missing 3), pushed 4"),
        ([5], "user-1: 1 to 4, events 4, gaps 1 (missing 5), pushed 4"),
        ([1, 3, 4], "user-1: 2 to 5, events 2, gaps 2 (missing 1, 3 to 4), pushed 2"),
        ([1, 2, 3, 4, 5], "user-1: nothing, events 0, gaps 1 (missing 1 to 5), pushed 0"),
    ],
)
def test_a_row_that_is_missing_is_named_and_the_exit_status_is_1(pushed, lost, line):
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
        "user-1: 1 to 5, events 4, gaps 1 (missing 3), not pushed (dry run)"
    )


def test_a_push_that_fails_makes_the_exit_status_1(valkey):
    append("user-1", "a", "b")
    valkey.kill()

    assert replay_events() == [
        "user-1: 1 to 2, events 2, gaps 0, pushed 0",
        "! 1 of 1 streams have gaps or failed pushes.",
    ]


def test_what_is_appended_during_a_replay_is_left_to_who_appends_it(pushed, monkeypatch):
    append("user-1", "a")
    original = push.push

    def push_while_another_appends(items):
        monkeypatch.setattr(push, "push", original)
        append("user-1", "b")
        return original(items)

    monkeypatch.setattr(push, "push", push_while_another_appends)

    assert replay_events() == ["user-1: 1 to 1, events 1, gaps 0, pushed 1"]


def test_of_many_gaps_the_first_are_named(pushed, monkeypatch):
    monkeypatch.setattr(replay, "MAX_RANGES", 2)
    append("user-1", *"abcdefgh")
    Event.objects.filter(offset__in=[1, 3, 5, 7]).delete()

    assert replay_events()[0] == (
        "user-1: 2 to 8, events 4, gaps 4 (missing 1, 3, and 2 more), pushed 4"
    )


def test_what_is_pruned_during_a_replay_is_no_gap(pushed, monkeypatch):
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


# -- after -------------------------------------------------------------------------------------


def test_what_follows_a_cursor_is_replayed(pushed):
    append("user-1", "a", "b", "c")
    append("user-2", "a")
    pushed.clear()

    lines = replay_events("--stream", "user-1", "--after", cursor(1))

    assert replayed(pushed) == [("user-1", 2), ("user-1", 3)]
    assert lines == ["user-1: 2 to 3, events 2, gaps 0, pushed 2"]


def test_a_gap_right_behind_the_cursor_is_found(pushed):
    append("user-1", *"abcd")
    Event.objects.filter(offset__in=[1, 3]).delete()

    assert replay_events("--stream", "user-1", "--after", cursor(2))[0] == (
        "user-1: 4 to 4, events 1, gaps 1 (missing 3), pushed 1"
    )


def test_a_cursor_that_is_level_leaves_nothing_to_replay(pushed):
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
        ("here", '--after: "here" is not a cursor'),
    ],
)
def test_a_cursor_that_is_no_use_is_refused_in_words(pushed, after, complaint):
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


# -- which types, how fast, for whom to read ---------------------------------------------------


def test_only_the_types_that_are_named_are_pushed_and_gaps_are_found_in_all(pushed):
    append("user-1", "log", "log", "done", "log", "failed", "log")
    Event.objects.filter(offset=2).delete()
    pushed.clear()

    lines = replay_events("--type", "done", "--type", "failed")

    assert replayed(pushed) == [("user-1", 3), ("user-1", 5)]
    assert lines[0] == ("user-1: 1 to 6, events 5 (2 of the types), gaps 1 (missing 2), pushed 2")


def test_a_rate_holds_pushes_up_in_small_batches(pushed, monkeypatch):
    waited = []
    monkeypatch.setattr(Pacer, "wait", lambda _, count: waited.append(count))
    append("user-1", *["log"] * 12)
    pushed.clear()

    replay_events("--rate", "50")

    assert waited == [len(each["items"]) for _, each in pushed] == [5, 5, 2]


def test_json_has_an_object_for_each_stream_and_nothing_else(pushed):
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


def test_json_of_nothing_is_nothing():
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
def test_what_contradicts_itself_is_refused_by_name(pushed, arguments, complaint):
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
def test_mistake_in_the_options_has_exit_status_2(pushed, arguments):
    append("user-1", "a")

    with pytest.raises(CommandError) as error:
        call_command("replay_events", *arguments)

    assert error.value.returncode == 2


# -- since -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "offsets"),
    [("99s", []), ("9999s", [3]), ("99m", [3]), ("9h", [2, 3]), ("1d", [2, 3]), ("9d", [1, 2, 3])],
)
def test_an_age_replays_what_is_younger(pushed, since, offsets):
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

    assert replay_events("--since", "1h") == ["user-1: 5 to 5, events 1, gaps 0, pushed 1"]
    assert replay_events("--since", "3h")[0] == (
        "user-1: 1 to 5, events 3, gaps 2 (missing 2, 4), pushed 3"
    )


def test_a_host_whose_clock_is_behind_makes_no_gap(pushed):
    append("user-1", "a", "b", "c")
    age(1, hours=2)
    age(2, hours=5)
    age(3, hours=1)

    lines = replay_events("--since", "3h")

    assert lines == ["user-1: 1 to 3, events 3, gaps 0, pushed 3"]


def test_an_age_of_before_all_calendars_is_refused(pushed):
    append("user-1", "a")
    pushed.clear()

    (line,) = replay_events("--since", "999999999d")

    assert '"999999999d" is too long ago' in line
    assert not pushed


@pytest.mark.parametrize(
    "since",
    ["", "yesterday", "15", "15 m", "5w", "2026-13-01", "2026-11-31T10:00"],
)
def test_what_is_neither_a_time_nor_an_age_is_refused(pushed, since):
    append("user-1", "a")
    pushed.clear()

    (line,) = replay_events("--since", since)

    assert "is neither a time (2026-11-21T10:00:00+00:00) nor an age (15m)" in line
    assert pushed == []


# -- clients -----------------------------------------------------------------------------------


async def test_a_connected_client_that_missed_a_push_is_filled_in(ada, settings, monkeypatch):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0  # No sweep will help it.
    name = f"user-{ada.pk}"
    async with connected(await in_thread(session_of, ada)) as socket:
        await socket.subscribe({name: None})
        with monkeypatch.context() as patch:
            patch.setattr(push, "send", lambda outgoing: False)
            await in_thread(append, name, "missed", "missed too")

        await in_thread(replay_events)

        assert await socket.events_until("missed too") == ["missed", "missed too"]


async def test_a_client_that_has_everything_sees_nothing_twice(ada, settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0
    name = f"user-{ada.pk}"
    async with connected(await in_thread(session_of, ada)) as socket:
        await socket.subscribe({name: None})
        await in_thread(append, name, "a", "b")
        await socket.events_until("b")

        await in_thread(replay_events)
        await in_thread(replay_events)
        await in_thread(append, name, "last")

        assert await socket.events_until("last") == ["last"]
        assert hub.current().counters["received"] == 4


async def test_replays_while_events_come_give_a_client_each_event_once(ada, settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0
    name = f"user-{ada.pk}"
    await in_thread(append, name, *["before"] * 150)

    def publish_while(replays):
        while any(not each.done() for each in replays):
            append(name, "live")

    async with connected(await in_thread(session_of, ada)) as socket:
        await socket.subscribe({name: None})
        replays = [asyncio.create_task(in_thread(replay_events)) for _ in range(2)]
        await in_thread(publish_while, replays)
        await in_thread(append, name, "last")
        while (await socket.next()).get("event") != "last":
            await socket.acknowledge()

        offsets = [each["offset"] for each in socket.frames if each["type"] == "event"]
        assert offsets == list(range(1, await in_thread(Event.objects.count) + 1))
        for each in replays:
            (line,) = await each
            assert "gaps 0" in line


# -- on a terminal -----------------------------------------------------------------------------


async def test_ctrl_c_ends_it_and_says_where_to_go_on(run, ada, settings, monkeypatch):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0
    name = f"user-{ada.pk}"
    async with connected(await in_thread(session_of, ada)) as socket:
        await socket.subscribe({name: None})
        with monkeypatch.context() as patch:
            patch.setattr(push, "send", lambda outgoing: False)
            await in_thread(append, name, *["missed"] * 199, "last")
        command = [sys.executable, "manage.py", "replay_events", "--stream", name]
        slow = run.start("replay", [*command, "--rate", "2"])
        await socket.events_until("missed")

        slow.signal(signal.SIGINT)
        status = await in_thread(slow.wait)

        said = re.fullmatch(
            rf"Interrupted. {name} is replayed up to (\d+) of 200. To resume: (.*)\n",
            slow.log_text(),
        )
        assert said, slow.log_text()
        assert status == 130
        # It goes on behind what was sent, and nothing comes twice.
        rest = await in_thread(replay_events, *said[2].split())
        await socket.events_until("last")
        offsets = [each["offset"] for each in socket.frames if each["type"] == "event"]
        assert offsets == list(range(1, 201))
        assert rest[0].startswith(f"{name}: {int(said[1]) + 1} to 200, ")


def test_a_terminal_shows_how_far_it_is():
    append("user-1", *["log"] * 250)

    shown = on_terminal("--rate", "2000")

    assert re.search(r"user-1.*\d+/250", shown)
    assert "user-1: 1 to 250, events 250, gaps 0, pushed 250" in shown


def test_json_on_a_terminal_is_json_alone():
    append("user-1", "a")

    assert json.loads(on_terminal("--json"))["events"] == 1


def on_terminal(*arguments):
    """What manage.py replay_events shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "manage.py", "replay_events", *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux's way to say that the other side is closed.
            while part := os.read(ours, 65_536):
                shown += part
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_no_cursor_is_taken_for_an_option(monkeypatch):
    monkeypatch.setattr("notifications.models.secrets.token_urlsafe", lambda _: "-a-b_c")

    assert new_epoch() == "_a_b_c"
