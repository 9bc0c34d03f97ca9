"""Tests start programs from a fork server: each must be like one that Python itself starts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.services.fork_server import IS_AVAILABLE, ForkServer

if TYPE_CHECKING:
    from tests.services.processes import Run

pytestmark = pytest.mark.skipif(not IS_AVAILABLE, reason="only Linux has the fork server")

PROGRAM = ["-m", "tests.support.surroundings", "an argument"]


def test_forked_program_has_what_a_started_one_has(run: Run) -> None:
    forked = run.start("forked", [sys.executable, *PROGRAM], env={"ONE": "ä"})
    # An option of Python keeps the fork server from starting it. The environment says the same.
    started = run.start("started", [sys.executable, "-u", *PROGRAM], env={"ONE": "ä"})

    assert (forked.wait(), started.wait()) == (3, 3), forked.log_text()
    assert json.loads(forked.log_text()) == json.loads(started.log_text())


def test_forked_file_is_run_as_a_program(run: Run) -> None:
    process = run.start("forked", [sys.executable, "manage.py", "wings"])

    assert process.wait() == 1
    assert "Unknown command: 'wings'" in process.log_text()


def test_signals_reach_a_forked_program_as_it_begins(run: Run) -> None:
    process = run.start("forked", [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"])

    process.signal(signal.SIGTERM)

    assert process.wait() == -signal.SIGTERM


def test_program_that_goes_on_is_not_waited_for_any_longer(run: Run) -> None:
    process = run.start("forked", [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"])

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.01)

    process.kill()
    assert process.exit_status == -signal.SIGKILL


@pytest.mark.parametrize(
    "command", [["/bin/true"], [sys.executable, "-c", "pass"], [sys.executable, "-W", "error", "x"]]
)
def test_other_commands_are_not_forked(command: list[str]) -> None:
    assert not ForkServer.can_start(command)
