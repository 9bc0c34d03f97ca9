"""`make run` is stopped, or killed in parts: none of its processes is left."""

from __future__ import annotations

import shlex
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.make_run import CTRL_C, MAKE_RUN, RUN, SCRIPT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.make_run import Terminal


@pytest.mark.parametrize("command", [RUN, MAKE_RUN], ids=["run", "make"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_top_process_stops_everything(
    start: Callable[..., Terminal], command: list[str], number: signal.Signals
) -> None:
    terminal = start(command)
    terminal.wait_until_ready()

    terminal.program.send_signal(number)
    terminal.wait_for_end()

    assert terminal.processes() == []
    assert "Stopped." in terminal.shown


@pytest.mark.proves("make-run-leaves-no-process")
def test_ctrl_c_stops_everything(start: Callable[..., Terminal]) -> None:
    terminal = start(MAKE_RUN)
    terminal.wait_until_ready()

    terminal.type(CTRL_C)
    terminal.wait_for_end()

    assert terminal.processes() == []
    assert "\nTraceback" not in terminal.shown


@pytest.mark.proves("make-run-leaves-no-process")
@pytest.mark.parametrize("command", [MAKE_RUN, SCRIPT], ids=["make", "script"])
def test_closed_terminal_stops_everything(
    start: Callable[..., Terminal], command: list[str]
) -> None:
    terminal = start(command)
    terminal.wait_until_ready()

    terminal.hang_up()
    terminal.wait_for_end()

    assert terminal.processes() == []


@pytest.mark.parametrize(
    ("moment", "number"), [("Migrating", signal.SIGINT), ("Starting", signal.SIGTERM)]
)
def test_signal_during_the_start_stops_everything(
    start: Callable[..., Terminal], moment: str, number: signal.Signals
) -> None:
    terminal = start()
    terminal.wait_for(moment)

    terminal.program.send_signal(number)
    status = terminal.wait_for_end()

    assert status == 0
    assert terminal.processes() == []
    assert "Waybill is ready" not in terminal.shown
    assert "killing" not in terminal.shown


def test_signal_to_just_started_processes_stops_everything(start: Callable[..., Terminal]) -> None:
    terminal = start()
    wait_until(lambda: terminal.child("beat"), 60, "the last of the processes is there")

    terminal.program.send_signal(signal.SIGHUP)
    terminal.wait_for_end()

    assert terminal.processes() == []
    assert "Waybill is ready" not in terminal.shown
    assert "killing" not in terminal.shown


@pytest.mark.proves("make-run-leaves-no-process")
def test_killed_run_leaves_no_process(terminal: Terminal) -> None:
    terminal.run().kill()

    wait_until(lambda: not terminal.processes(), 20, "all processes end")


def test_next_run_waits_for_leftovers_of_a_killed_run(start: Callable[..., Terminal]) -> None:
    killed = start()
    killed.wait_until_ready()
    [manager] = killed.managers()
    manager.suspend()
    killed.program.kill()
    killed.program.wait(timeout=15)

    following = start()
    following.wait_for("The last run was killed.")
    manager.resume()

    following.wait_until_ready()
    assert not manager.is_running()


def test_killed_make_leaves_no_process(start: Callable[..., Terminal]) -> None:
    terminal = start(MAKE_RUN)
    terminal.wait_until_ready()

    terminal.program.kill()

    wait_until(lambda: not terminal.processes(), 20, "all processes end")


@pytest.mark.proves("make-run-leaves-no-process")
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_killed_manager_ends_all_processes(terminal: Terminal) -> None:
    [manager] = terminal.managers()

    manager.kill()
    status = terminal.wait_for_end()

    assert status == 1
    assert "supervisord ended by itself" in terminal.shown
    wait_until(lambda: not terminal.processes(), 10, "all processes end")


def test_run_stops_when_its_reader_has_closed_the_pipe(start: Callable[..., Terminal]) -> None:
    """As in `make run | head -1`."""
    terminal = start(["sh", "-c", f"{shlex.join(RUN)} | head -1"])

    terminal.wait_for_end()

    assert terminal.processes() == []
