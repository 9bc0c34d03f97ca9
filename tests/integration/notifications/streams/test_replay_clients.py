"""`manage.py replay_events`: what clients receive, and what a terminal shows."""

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

import pytest
from django.core.management import call_command
from django.db import connection

from notifications.delivery import hub
from notifications.models import Event, new_epoch
from notifications.streams import push, replay
from tests.services.processes import ROOT
from tests.support.replaying import replay_events
from tests.support.streaming import append, connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


# -- clients -------------------------------------------------------------------------------------


async def test_connected_client_gets_a_missed_push(ada, settings, monkeypatch):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0  # No sweep will help it.
    name = f"user-{ada.pk}"
    async with connected(await in_thread(session_of, ada)) as socket:
        await socket.subscribe({name: None})
        with monkeypatch.context() as patch:
            patch.setattr(push, "send", lambda outgoing: False)
            await in_thread(append, name, "missed", "missed too")

        await in_thread(replay_events)

        assert await socket.events_until("missed too") == ["missed", "missed too"]


async def test_level_client_gets_no_event_twice(ada, settings):
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


@pytest.mark.proves("replay-shows-nothing-twice")
async def test_replay_during_publishing_gives_each_event_once(ada, settings):
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


# -- on a terminal -------------------------------------------------------------------------------


@pytest.mark.proves("replay-shows-nothing-twice")
async def test_ctrl_c_stops_the_replay_and_prints_where_to_resume(run, ada, settings, monkeypatch):
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


@pytest.mark.only_on("postgres")
def test_ctrl_c_during_a_query_still_prints_where_to_resume(pushed, monkeypatch, capsys):
    append("user-1", "a", "b")
    append("user-2", "a")
    monkeypatch.setattr(replay, "BATCH", 1)
    sent = []

    def push_and_interrupt_a_query(items):
        sent.extend(items)
        if len(sent) == 2:
            connection.connection.pgconn.send_query(b"SELECT pg_sleep(60)")
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(push, "push", push_and_interrupt_a_query)

    with pytest.raises(SystemExit) as ended:
        call_command("replay_events")

    assert ended.value.code == 130
    said = capsys.readouterr().err
    assert "Interrupted. user-1 is replayed up to 1 of 2." in said
    assert said.endswith("Streams with later names, which are not replayed: 1.\n")


def test_terminal_shows_the_progress_of_the_replay():
    append("user-1", *["log"] * 250)

    shown = on_terminal("--rate", "2000")

    assert re.search(r"user-1.*\d+/250", shown)
    assert "user-1: 1 to 250, events 250, gaps 0, pushed 250" in shown


def test_json_on_a_terminal_has_no_progress_bar():
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


def test_epoch_never_begins_with_a_dash(monkeypatch):
    monkeypatch.setattr("notifications.models.secrets.token_urlsafe", lambda _: "-a-b_c")

    assert new_epoch() == "_a_b_c"
