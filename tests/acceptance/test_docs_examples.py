"""The commands and the program in docs/protocol.md, run as they are printed.

A real shell gets the blocks in their order, and a real Daphne answers. Only the variables
are set from outside: which site, because a test's port is its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from notifications.streams import backlog, publish
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.proves("protocol-docs-match-code"),
]

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text()
STREAM = "user-1"
TIMEOUT = 60.0  # seconds: a busy machine's curl, Python and Daphne in a row


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


SETTING_UP, ALL, GOING_ON, EVENTS, FOLLOWING = blocks("sh")
[PROGRAM] = (block for block in blocks("python") if "websockets" in block)


class Shell:
    """Somebody's terminal in a checkout, into which they paste one block after the other."""

    def __init__(self, directory):
        self._output = directory / "terminal.txt"
        self._marks = map("-- done {}: ".format, count(1))
        self._begin = 0
        with self._output.open("wb") as output:
            self._bash = subprocess.Popen(
                ["bash", "--norc"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={
                    **os.environ,
                    # "python" is one that has websockets.
                    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                    "NO_PROXY": "127.0.0.1",
                },
                text=True,
                start_new_session=True,
            )

    def paste(self, block):
        """Begin it. It must have ended before the next."""
        self._mark = next(self._marks)
        self._begin = len(self.text())
        self._bash.stdin.write(f'{block}\necho "{self._mark}$?"\n')
        self._bash.stdin.flush()

    def answer(self):
        """What the block printed. It must have ended well."""
        wait_until(lambda: f"{self._mark}0\n" in self.printed(), TIMEOUT, "the block ends well")
        return self.printed().partition(self._mark)[0]

    def text(self):
        return self._output.read_text()

    def printed(self):
        """What the block has printed so far."""
        return self.text()[self._begin :]

    def run(self, block):
        """Paste it, and wait for its end: what it printed."""
        self.paste(block)
        return self.answer()

    def interrupt(self):
        """Ctrl-C. A shell that is no terminal ends with the program that it runs."""
        os.killpg(self._bash.pid, signal.SIGINT)
        self._bash.wait(TIMEOUT)

    def close(self):
        if self._bash.poll() is None:
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.stdin.close()
        self._bash.wait(TIMEOUT)


@pytest.fixture
def open_shell(tmp_path, server):
    """Terminals in a directory with what the examples name: Python, manage.py and follow.py."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
    (tmp_path / "follow.py").write_text(PROGRAM)
    User.objects.create_user("demo", pk=1)
    opened = []

    def open_one():
        shell = Shell(tmp_path)
        opened.append(shell)
        shell.run(SETTING_UP)
        shell.run(f"SITE=127.0.0.1:{server.port}")
        return shell

    yield open_one
    for shell in opened:
        shell.close()


@transaction.atomic
def append(*numbers):
    publish.append_many(STREAM, [("counted", {"number": each}) for each in numbers])


def numbers(frames):
    return [frame["data"]["number"] for frame in frames if frame["type"] == "event"]


def test_long_poll_returns_all_then_waits_for_new_events(open_shell):
    append(1, 2)
    shell = open_shell()
    remember, ask = GOING_ON.splitlines()

    everything = json.loads(shell.run(ALL))
    shell.run(remember)
    shell.paste(ask)
    append(3)
    news = json.loads(shell.answer())

    assert (numbers(everything["frames"]), everything["more"]) == ([1, 2], False)
    assert (numbers(news["frames"]), news["reset"]) == ([3], None)


def test_server_sent_events_continue_from_the_cursor_of_a_poll(open_shell):
    append(0)
    shell = open_shell()
    remember, _ = GOING_ON.splitlines()

    shell.run(remember)
    append(*range(1, 4501))
    shell.paste(EVENTS)
    append(*range(4501, 5001))
    texts = re.findall("^data: (.*)$", shell.answer(), re.M)

    assert numbers(map(json.loads, texts)) == list(range(1, 5001))


def test_program_resumes_after_its_last_event(open_shell, tmp_path):
    place = tmp_path / f"{STREAM}.cursor"
    append(1, 2)
    first = open_shell()
    first.paste(FOLLOWING)
    wait_until(place.exists, TIMEOUT)
    append(3)
    wait_until(lambda: place.read_text() == backlog.current_cursor(STREAM), TIMEOUT)
    first.interrupt()
    before = seen(first)

    append(4)
    second = open_shell()
    second.paste(FOLLOWING)
    append(5)
    wait_until(lambda: place.read_text() == backlog.current_cursor(STREAM), TIMEOUT)

    assert (before, seen(second)) == ([1, 2, 3], [4, 5])


def seen(shell):
    """The numbers of the events that the program in `shell` has printed."""
    lines = [line for line in shell.printed().splitlines() if line.startswith("{")]
    return numbers(map(json.loads, lines))
