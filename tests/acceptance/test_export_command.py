"""`manage.py export` as a process: on a terminal, in a pipe, and ended in the middle."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from exports.lifecycle import rescue
from exports.models import Export, PartStatus
from exports.status import Status
from tests.support import flights
from tests.support.exporting import content, log
from tests.support.terminal import Command
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.services.processes import Run
    from tests.services.waybill import Worker

FLIGHTS = 10_000
# By whom, and in which attempt, a part was done: its file is gone once the export has succeeded.
DONE = ("number", "attempt", "worker")
Done = tuple[int, int, str]
# So that there is a middle, and a lease that is soon over.
SLOW = {**flights.SLOWLY, "EXPORTS_LEASE_SECONDS": "3"}


@pytest.fixture(autouse=True)
def _flights(transactional_db: None, valkey: object) -> None:
    flights.load(FLIGHTS)
    User.objects.create_superuser("demo")


@pytest.fixture
def export(run: Run, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `manage.py export`; `terminal=True` gives it one."""
    started: list[Command] = []

    def start(*arguments: str, terminal: bool = False, **env: str) -> Command:
        stdout = tmp_path / f"stdout-{len(started)}"
        command = Command(run, "export", *arguments, stdout=stdout, terminal=terminal, **env)
        started.append(command)
        return command

    yield start
    for command in started:
        command.close()


def the_export() -> Export:
    return Export.objects.get()


def in_the_middle() -> Export:
    """Wait until some parts are done, and others are not."""

    def some_parts() -> int:
        export = Export.objects.first()
        return export.parts.filter(status=PartStatus.DONE).count() if export else 0

    wait_until(some_parts, timeout=60, what="a part is done")
    export = the_export()
    assert export.status == Status.RUNNING, "it was too quick to be interrupted in the middle"
    return export


def finished_by_a_worker(start_worker: Callable[..., Worker], kept: set[Done]) -> None:
    """A worker goes on from the parts that are done, and its file is whole."""
    start_worker()
    wait_until(lambda: the_export().is_final, timeout=120, what="a worker has finished it")
    export = the_export()
    assert export.status == Status.SUCCEEDED, export.error
    assert kept <= set(export.parts.values_list(*DONE)), "parts were done again"
    flights.assert_complete(content(export))


def done_parts(export: Export) -> set[Done]:
    return set(export.parts.filter(status=PartStatus.DONE).values_list(*DONE))


# -- To its end -------------------------------------------------------------------------------


def test_piped_command_writes_the_file_and_plain_progress_lines(export) -> None:
    command = export("flights", "--output", "-")

    assert command.wait() == 0, command.stderr
    flights.assert_complete(command.out)
    assert "Succeeded." in command.stderr
    assert "\x1b" not in command.stderr


def test_terminal_shows_a_progress_bar(export, tmp_path: Path) -> None:
    target = tmp_path / "flights.csv"
    command = export("flights", "--output", str(target), terminal=True, **SLOW)

    command.wait_for_text("Extracting rows")
    command.wait_for_text(f"of {FLIGHTS:,} rows")
    command.wait_for_text("%")
    command.wait_for_text("rows/s")
    command.wait_for_text("left")

    assert command.wait(120) == 0, command.stderr
    assert command.out == b""
    flights.assert_complete(target.read_bytes())


def test_invalid_arguments_give_status_2_and_a_reason(export) -> None:
    command = export("wings")

    assert command.wait() == 2
    assert 'CommandError: There is no exporter "wings"' in command.stderr
    assert "Traceback" not in command.stderr


def test_closed_pipe_gives_an_error_without_a_traceback(run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    command = Command(run, "export", "flights", "--output", "-", stdout=pipe, terminal=False)
    os.close(reader)

    assert command.wait() == 1, command.stderr
    assert "CommandError: Standard output was closed." in command.stderr
    assert "Traceback" not in command.stderr


# -- Ended in the middle ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signal_hands_the_export_over_to_a_worker(export, start_worker, number, status) -> None:
    command = export("flights", **SLOW)
    in_the_middle()

    command.signal(number)

    assert command.wait() == status, command.stderr
    handed_over = the_export()
    assert handed_over.status == Status.QUEUED
    assert (
        f"The export is queued. To follow it: manage.py export {handed_over.pk}" in command.stderr
    )
    finished_by_a_worker(start_worker, done_parts(handed_over))


def test_killed_command_keeps_its_parts_and_a_worker_continues(export, start_worker) -> None:
    command = export("flights", **SLOW)
    in_the_middle()

    command.signal(signal.SIGKILL)

    assert command.wait() == -signal.SIGKILL
    left = the_export()
    assert left.status == Status.RUNNING
    wait_until(lambda: rescue.rescue()["rescued"], timeout=30, what="its lease has run out")
    finished_by_a_worker(start_worker, done_parts(left))
    assert any(f"Worker {left.worker}, attempt 1, has not responded" in line for line in log(left))


def test_ctrl_c_on_a_terminal_offers_to_continue(export) -> None:
    command = export("flights", terminal=True, **SLOW)
    in_the_middle()

    command.signal(signal.SIGINT)
    command.wait_for_text("or go on? [h/c/g]")
    command.type("g\n")

    assert command.wait(120) == 0, command.stderr
    export_ = the_export()
    assert export_.attempt == 1
    assert command.out.decode() == f"{export_.pk} {export_.file}\n"


@pytest.mark.parametrize(
    ("answer", "becomes"), [("c\n", Status.CANCELLED), ("\n", Status.QUEUED), (None, Status.QUEUED)]
)
def test_ctrl_c_on_a_terminal_offers_to_hand_over_or_cancel(export, answer, becomes) -> None:
    command = export("flights", terminal=True, **SLOW)
    in_the_middle()

    command.signal(signal.SIGINT)
    command.wait_for_text("[h/c/g]")
    command.signal(signal.SIGINT) if answer is None else command.type(answer)

    assert command.wait() == 130, command.stderr
    assert the_export().status == becomes


# -- Followed ---------------------------------------------------------------------------------


def test_follow_shows_the_log_of_the_worker_and_gets_the_file(
    export, worker: Worker, tmp_path: Path
) -> None:
    target = tmp_path / "flights.csv"
    command = export("flights", "--follow", "--output", str(target))

    assert command.wait(120) == 0, command.stderr
    flights.assert_complete(target.read_bytes())
    for line in log(the_export()):
        assert line in command.stderr


def test_ctrl_c_detaches_from_a_followed_export(export, start_worker) -> None:
    start_worker(**SLOW)
    command = export("flights", "--follow")
    running = in_the_middle()

    command.signal(signal.SIGINT)

    assert command.wait() == 130, command.stderr
    assert the_export().status == Status.RUNNING
    again = export(str(running.pk), "--follow", "--json")
    assert again.wait(120) == 0, again.stderr
    *frames, last = map(json.loads, again.out.decode().splitlines())
    offsets = [frame["offset"] for frame in frames if frame["type"] == "event"]
    assert offsets == [*range(1, len(offsets) + 1)]
    assert (last["id"], last["status"]) == (str(running.pk), "succeeded")


@pytest.mark.parametrize(("answer", "becomes"), [("c\n", Status.CANCELLED), (None, Status.RUNNING)])
def test_ctrl_c_while_following_on_a_terminal_offers_to_cancel(
    export, start_worker, answer, becomes
) -> None:
    worker = start_worker(**SLOW)
    command = export("flights", "--follow", terminal=True)
    in_the_middle()
    if becomes == Status.RUNNING:
        worker.freeze()  # Otherwise it might be over before the command has ended.

    command.signal(signal.SIGINT)
    command.wait_for_text("[d/c]")
    command.signal(signal.SIGINT) if answer is None else command.type(answer)

    assert command.wait() == 130, command.stderr
    assert the_export().status == becomes
